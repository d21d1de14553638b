"""An MLP of tensors in PyTorch, with autograd and the update written out."""

from __future__ import annotations

from time import perf_counter

import torch
from plain_setup import BATCH, MOMENTUM, RATE, batch_order, begin, initial_weights, report, training_data
from torch.nn.functional import cross_entropy


def loss(parameters, x, y):
    *hidden, (kernel, bias) = zip(parameters[::2], parameters[1::2], strict=True)
    for k, b in hidden:
        x = torch.relu(x @ k + b)
    return cross_entropy(x @ kernel + bias, y)


def main():
    mode, goes_on = begin("eager", "compile")
    x, y = map(torch.tensor, training_data())
    parameters = [torch.tensor(w, requires_grad=True) for w in initial_weights()]
    velocities = [torch.zeros_like(w, requires_grad=False) for w in parameters]

    batch_loss = loss

    def gradients(parameters, x, y):
        return torch.autograd.grad(batch_loss(parameters, x, y), parameters)

    @torch.no_grad()
    def update(gradients):
        for w, g, v in zip(parameters, gradients, velocities, strict=True):
            v.mul_(MOMENTUM).add_(g)
            w -= RATE * v

    if mode == "compile":
        batch_loss = torch.compile(loss, dynamic=False)
        update = torch.compile(update, dynamic=False)

    marks = [perf_counter()]
    while goes_on(marks):
        indices = torch.from_numpy(batch_order(len(marks) - 1))
        for x_batch, y_batch in zip(x[indices].split(BATCH), y[indices].split(BATCH), strict=True):
            update(gradients(parameters, x_batch, y_batch))
        marks.append(perf_counter())
    report(marks, [w.detach().numpy() for w in parameters])


if __name__ == "__main__":
    main()
