"""An MLP of tensors in PyTorch, with autograd and the update written out."""

import torch
from torch.nn.functional import cross_entropy

BATCH, RATE, MOMENTUM = 32, 0.01, 0.9


def loss(parameters, x, y):
    *hidden, (kernel, bias) = zip(parameters[::2], parameters[1::2], strict=True)
    for k, b in hidden:
        x = torch.relu(x @ k + b)
    return cross_entropy(x @ kernel + bias, y)


def train(x, y, weights, epochs, mode="eager"):
    x, y = torch.tensor(x), torch.tensor(y)
    parameters = [torch.tensor(w, requires_grad=True) for w in weights]
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

    for indices in epochs:
        order = torch.from_numpy(indices)
        batches = zip(x[order].split(BATCH), y[order].split(BATCH), strict=True)
        for x_batch, y_batch in batches:
            update(gradients(parameters, x_batch, y_batch))
    return [w.detach().numpy() for w in parameters]
