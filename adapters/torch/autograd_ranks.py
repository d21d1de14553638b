"""torch-autograd on several ranks: each computes the gradients of its share, and the mean of all is the batch's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from levelfield import Setting
from levelfield.adapters.torch.autograd import TorchAutograd
from levelfield.adapters.torch.ranks import average, draw_apart, epochs, join, seen


class AutogradRanks(TorchAutograd):
    epochs = staticmethod(epochs)

    def __init__(self, setting: Setting) -> None:
        join(setting)
        super().__init__(setting)
        self.seen: dict[str, int] = {}
        draw_apart(setting)

    def placement(self) -> dict[str, int]:
        return self.seen

    def loss(self, parameters: Sequence[Tensor], x: Tensor, y: Tensor, weight: float = 1.0) -> Tensor:
        loss = self.criterion(self.logits(parameters, x, training=True), y)
        if weight != 1:
            loss = loss * weight
        return loss + self.model.l2 * sum(k.square().sum() for k in parameters[::2]) if self.model.l2 else loss

    def gradients(self, x: Tensor, y: Tensor, weight: float = 1.0) -> Sequence[Tensor]:
        gradients = torch.autograd.grad(self.loss(self.parameters, x, y, weight), self.parameters)
        self.seen = seen(x, self.seen)
        average(gradients)
        return gradients
