"""PyTorch Lightning: a LightningModule states the step, the Trainer owns the loop."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence

import lightning
import numpy as np
import torch
from torch import Tensor

from adapters.adapter import Adapter, Setting, Watch
from adapters.torch_model import build, criterion, get_weights, optimizer, penalty, set_weights
from tasks.mlp import Layer
from tasks.recipe import BatchOrder
from tasks.task import Split

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="lightning")  # advice on data loader workers, which the track does not use


class Module(lightning.LightningModule):
    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.setting = setting
        self.network = build(setting.model, getattr(torch, setting.precision))
        self.criterion = criterion(setting.kind)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        x, y = batch
        loss = self.criterion(self.network(x), y)
        return loss + penalty(self.network, self.setting.model.l2) if self.setting.model.l2 else loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimizer(list(self.parameters()), self.setting.recipe)


class Batches:
    """The batches of one epoch after another, gathered once an epoch."""

    def __init__(self, x: Tensor, y: Tensor, order: BatchOrder, trainer: lightning.Trainer) -> None:
        self.x, self.y, self.order, self.trainer = x, y, order, trainer

    def __len__(self) -> int:
        return self.order.steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        # A generator function: Lightning asks for an iterator once more than it reads one
        indices = torch.from_numpy(self.order.epoch(self.trainer.current_epoch))
        b = self.order.batch_size
        yield from zip(self.x[indices].split(b), self.y[indices].split(b), strict=True)


class Watcher(lightning.Callback):
    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.watch.ready()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        trainer.should_stop = not self.watch.epoch_end(trainer.current_epoch)
        module.train()  # predict has switched to evaluation


class TorchLightning(Adapter):
    name = "torch-lightning"
    framework = "lightning"
    backend = "torch"
    api = "high"
    modes = ("eager",)
    notes = ("Logger, checkpoints, progress bar and model summary are switched off.",)

    def __init__(self, setting: Setting) -> None:
        self.dtype = getattr(torch, setting.precision)
        lightning.seed_everything(setting.seed, verbose=False)
        self.module = Module(setting)

    def set_weights(self, layers: Sequence[Layer]) -> None:
        set_weights(self.module.network, layers)

    def get_weights(self) -> list[Layer]:
        return get_weights(self.module.network)

    def fit(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        x = torch.tensor(train.x, dtype=self.dtype)
        y = torch.tensor(train.y)
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=order.epochs,
            callbacks=[Watcher(watch)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        self.module.train()  # the trainer keeps whichever mode predict has left
        trainer.fit(self.module, Batches(x, y, order, trainer))

    def predict(self, x: np.ndarray) -> np.ndarray:
        self.module.eval()
        with torch.no_grad():
            return self.module.network(torch.tensor(x, dtype=self.dtype)).numpy()

    def synchronize(self) -> None:
        pass  # on a CPU torch returns when the work is done
