"""PyTorch Lightning: a LightningModule states the step, the Trainer owns the loop."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from tempfile import TemporaryDirectory
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from levelfield import BatchOrder, Setting, Split, Watch
from levelfield.adapters.torch import model
from levelfield.adapters.torch.words import LOADER, NO_TPU

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="lightning")  # advice on data loader workers, which the track does not use

QUIET: dict[str, Any] = dict.fromkeys(
    ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
)


class Module(lightning.LightningModule):
    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.setting = setting
        self.network = model.build(setting)
        self.criterion = nn.CrossEntropyLoss() if setting.kind == "classification" else nn.MSELoss()

    def training_step(self, batch: Any, index: int) -> Tensor:
        x, y = batch
        loss = self.criterion(self.network(x), y)
        return loss + model.penalty(self.network, self.setting.model.l2) if self.setting.model.l2 else loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return model.optimizer(self, self.setting)


class Batches:
    """The batches of one epoch after another, gathered once an epoch."""

    def __init__(self, x: Tensor, y: Tensor, order: BatchOrder, trainer: lightning.Trainer) -> None:
        self.x, self.y, self.order, self.trainer = x, y, order, trainer

    def __len__(self) -> int:
        return self.order.steps

    def __iter__(self) -> Iterator[Any]:
        # A generator function: Lightning asks for an iterator once more than it reads one
        indices = torch.from_numpy(self.order.epoch(self.trainer.current_epoch)).to(self.x.device)
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


class TorchLightning(model.OverLayers):
    name = "torch-lightning"
    framework = "lightning"
    backend = "torch"
    api = "high"
    modes = ("eager",)
    limits = (NO_TPU,)
    notes = ("Logger, checkpoints, progress bar and model summary are switched off on the matched track.",)
    defaults = {
        "initialiser": "nn.Linear's: kernels and biases uniform on ±1/√inputs",
        "adam": "torch's: betas 0.9 and 0.999, epsilon 1e-8 after the bias correction",
        "adamw": "torch's: as adam, decoupled weight decay 0.01",
        "loader": LOADER,
        "trainer": "logger, a checkpoint each epoch (in a temporary folder), model summary and progress bar (unseen)",
        "stopping": "EarlyStopping: patience 3, min_delta 0, best weights not restored",
    }
    stopping = {"patience": 3, "min_delta": 0.0, "restore_best": False}

    fast_modes = {
        "barebones": {
            "does": "Trainer(barebones=True): no logging, checkpoints, progress bar, summary or sanity check",
            "page": "https://lightning.ai/docs/pytorch/stable/common/trainer.html",
            "why_not_default": "It is meant for measuring the Trainer's overhead: nothing can be logged or kept.",
        },
        "fabric": {
            "does": "lightning.Fabric sets up network and optimizer, the loop is one's own",
            "page": "https://lightning.ai/docs/fabric/stable/fundamentals/convert.html",
            "why_not_default": "It has no Trainer: callbacks, checkpoints and stopping are one's own work.",
        },
    }
    fast_class = "levelfield.adapters.torch.lightning_fast:LightningFast"
    replication = ("ranks",)
    replicated = "levelfield.adapters.torch.lightning_ranks:LightningRanks"
    module_class, batches, watcher = Module, Batches, Watcher
    devices: dict[str, Any] = {"devices": 1}

    def __init__(self, setting: Setting) -> None:
        self.setting, self.dtype = setting, getattr(torch, setting.dtype)
        self.device = torch.device("cuda" if setting.kind_of_device == "gpu" else "cpu")
        lightning.seed_everything(setting.seed, verbose=False)
        self.module = self.module_class(setting).to(self.device)
        self.network = self.module.network

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x = torch.tensor(train.x, dtype=self.dtype, device=self.device if order else None)
        y = torch.tensor(train.y, device=self.device if order else None)
        with TemporaryDirectory() as folder, open(os.devnull, "w") as unseen, redirect_stdout(unseen):
            trainer = lightning.Trainer(
                accelerator=self.setting.kind_of_device,
                precision="bf16-mixed" if self.setting.precision == "bfloat16" else None,
                max_epochs=order.epochs if order else self.setting.recipe.epochs,
                callbacks=[self.watcher(watch)],
                default_root_dir=folder,
                barebones=self.setting.mode == "barebones",
                **self.devices,
                **(QUIET if self.setting.track == "matched" else {}),
            )
            self.module.train()  # the trainer keeps whichever mode predict has left
            if order:
                batches = self.batches(x, y, order, trainer)
            else:
                batches = DataLoader(TensorDataset(x, y), self.setting.recipe.batch_size, shuffle=True)
            trainer.fit(self.module, batches)
        self.module.to(self.device)  # the trainer has brought it back to the CPU
