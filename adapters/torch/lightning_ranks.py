"""torch-lightning on several ranks: the Trainer's strategy ddp, in processes that the harness has started."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lightning
from torch import Tensor

from levelfield import Setting
from levelfield.adapters.torch import model
from levelfield.adapters.torch.lightning import Batches, Module, TorchLightning, Watcher
from levelfield.adapters.torch.ranks import draw_apart, join, seen, shares


class ModuleOfRank(Module):
    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.seen: dict[str, int] = {}

    def training_step(self, batch: Any, index: int) -> Tensor:
        x, y, weight = batch
        self.seen = seen(x, self.seen)
        loss = self.criterion(self.network(x), y) * weight
        return loss + model.penalty(self.network, self.setting.model.l2) if self.setting.model.l2 else loss


class BatchesOfRank(Batches):
    def __iter__(self) -> Iterator[Any]:
        yield from shares(self.x, self.y, self.order, self.trainer.current_epoch, self.x.device)


class WatcherOfRank(Watcher):
    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        draw_apart(module.setting)  # the trainer has given all ranks the same seed
        super().on_train_start(trainer, module)


class LightningRanks(TorchLightning):
    module_class, batches, watcher = ModuleOfRank, BatchesOfRank, WatcherOfRank

    def __init__(self, setting: Setting) -> None:
        join(setting)
        super().__init__(setting)
        self.devices = {"devices": setting.replicas, "strategy": "ddp", "use_distributed_sampler": False}

    def placement(self) -> dict[str, int]:
        return self.module.seen
