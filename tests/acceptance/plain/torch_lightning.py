"""An MLP in PyTorch Lightning, with the Trainer's bookkeeping switched off."""

from __future__ import annotations

import logging
import warnings
from time import perf_counter

import lightning
import torch
from plain_setup import (
    BATCH,
    MOMENTUM,
    RATE,
    STEPS,
    WIDTHS,
    batch_order,
    begin,
    initial_weights,
    report,
    training_data,
)
from torch import nn

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="lightning")


class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(WIDTHS[0], WIDTHS[1]), nn.ReLU(), nn.Linear(WIDTHS[1], WIDTHS[2]))
        self.criterion = nn.CrossEntropyLoss()

    def training_step(self, batch, index):
        x, y = batch
        return self.criterion(self.network(x), y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), RATE, MOMENTUM)


class Batches:
    def __init__(self, x, y):
        self.x, self.y, self.trainer = x, y, None

    def __len__(self):
        return STEPS

    def __iter__(self):
        indices = torch.from_numpy(batch_order(self.trainer.current_epoch))
        yield from zip(self.x[indices].split(BATCH), self.y[indices].split(BATCH), strict=True)


class Marks(lightning.Callback):
    def __init__(self, goes_on):
        self.goes_on, self.marks = goes_on, []

    def on_train_start(self, trainer, module):
        self.marks.append(perf_counter())

    def on_train_epoch_end(self, trainer, module):
        self.marks.append(perf_counter())
        trainer.should_stop = not self.goes_on(self.marks)


def main():
    _, goes_on = begin("eager")
    module = Module()
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), initial_weights(), strict=True):
            parameter.copy_(torch.tensor(value.T))
    batches = Batches(*map(torch.tensor, training_data()))
    callback = Marks(goes_on)
    batches.trainer = lightning.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=100_000,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    batches.trainer.fit(module, batches)
    report(callback.marks, [w.detach().numpy().T for w in module.parameters()])


if __name__ == "__main__":
    main()
