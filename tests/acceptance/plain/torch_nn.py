"""An MLP of layers in PyTorch, with an optimizer and one's own loop."""

from __future__ import annotations

from time import perf_counter

import torch
from plain_setup import BATCH, MOMENTUM, RATE, WIDTHS, batch_order, begin, initial_weights, report, training_data
from torch import nn


def main():
    mode, goes_on = begin("eager", "compile")
    x, y = map(torch.tensor, training_data())
    network = nn.Sequential(nn.Linear(WIDTHS[0], WIDTHS[1]), nn.ReLU(), nn.Linear(WIDTHS[1], WIDTHS[2]))
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), initial_weights(), strict=True):
            parameter.copy_(torch.tensor(value.T))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), RATE, MOMENTUM)

    def loss(x, y):
        return criterion(network(x), y)

    if mode == "compile":
        loss = torch.compile(loss, dynamic=False)

    network.train()
    marks = [perf_counter()]
    while goes_on(marks):
        indices = torch.from_numpy(batch_order(len(marks) - 1))
        for x_batch, y_batch in zip(x[indices].split(BATCH), y[indices].split(BATCH), strict=True):
            optimizer.zero_grad()
            loss(x_batch, y_batch).backward()
            optimizer.step()
        marks.append(perf_counter())
    report(marks, [w.detach().numpy().T for w in network.parameters()])


if __name__ == "__main__":
    main()
