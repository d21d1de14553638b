"""torch-nn on several ranks, with torch's DistributedDataParallel."""

from __future__ import annotations

from torch import Tensor

from levelfield import Setting
from levelfield.adapters.torch import model
from levelfield.adapters.torch.nn import TorchNN
from levelfield.adapters.torch.ranks import Averaging, draw_apart, epochs, join


class NNRanks(TorchNN):
    epochs = staticmethod(epochs)

    def __init__(self, setting: Setting) -> None:
        join(setting)
        super().__init__(setting)
        self.averaging = Averaging(self.network)
        draw_apart(setting)

    def placement(self) -> dict[str, int]:
        return self.averaging.seen

    def loss(self, x: Tensor, y: Tensor, weight: float = 1.0) -> Tensor:
        loss = self.criterion(self.averaging(x), y)
        if weight != 1:
            loss = loss * weight
        return loss + model.penalty(self.network, self.model.l2) if self.model.l2 else loss
