"""torch-lightning as Lightning's own pages make it faster: a Trainer without extras, or Fabric in place of it."""

from __future__ import annotations

import lightning
import torch

from levelfield import BatchOrder, Split, Watch
from levelfield.adapters.torch import model
from levelfield.adapters.torch.data import epochs
from levelfield.adapters.torch.lightning import TorchLightning


class LightningFast(TorchLightning):
    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        if self.setting.mode != "fabric":
            return super().fit(train, order, watch)
        x = torch.tensor(train.x, dtype=self.dtype, device=self.device if order else None)
        y = torch.tensor(train.y, device=self.device if order else None)
        mixed = "bf16-mixed" if self.setting.precision == "bfloat16" else None
        fabric = lightning.Fabric(accelerator=self.setting.kind_of_device, devices=1, precision=mixed)
        network, optimizer = fabric.setup(self.network, model.optimizer(self.network, self.setting))
        l2, criterion = self.setting.model.l2, self.module.criterion
        watch.ready()
        for epoch, batches in enumerate(epochs(x, y, order, self.setting.recipe, self.device)):
            network.train()
            for x_batch, y_batch in batches:
                optimizer.zero_grad()
                loss = criterion(network(x_batch), y_batch)
                fabric.backward(loss + model.penalty(network, l2) if l2 else loss)
                optimizer.step()
            if not watch.epoch_end(epoch):
                break
