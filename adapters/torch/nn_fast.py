"""torch-nn as torch's own pages make it faster: what it compiles besides the loss, and which optimizer."""

from __future__ import annotations

import torch

from levelfield import Setting
from levelfield.adapters.torch import model
from levelfield.adapters.torch.nn import TorchNN


class NNFast(TorchNN):
    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        match setting.mode:
            case "foreach" | "fused":
                self.optimizer = model.optimizer(self.network, setting, **{setting.mode: True})
            case "reduce-overhead" | "max-autotune":
                self.loss = torch.compile(self.loss, dynamic=False, mode=setting.mode)  # type: ignore[method-assign]
