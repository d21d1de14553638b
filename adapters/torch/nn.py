"""PyTorch as most people write it: a sequence of layers, an optimizer of torch.optim, one's own training loop."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from levelfield import BatchOrder, Setting, Split, Watch
from levelfield.adapters.torch import model
from levelfield.adapters.torch.data import epochs
from levelfield.adapters.torch.words import COMPILER, LOADER, NO_TPU


class TorchNN(model.OverLayers):
    name = "torch-nn"
    framework = "torch"
    api = "mixed"
    modes = ("eager", "compile")
    limits = (
        COMPILER,
        NO_TPU,
        {
            "mode": "reduce-overhead",
            "device": "cpu",
            "because": "reduce-overhead is CUDA graphs, which NVIDIA GPUs have",
        },
        {
            "mode": "max-autotune",
            "device": "cpu",
            "because": "on a CPU max-autotune chooses kernels for frozen weights only, which training has not",
        },
    )
    defaults = {
        "initialiser": "nn.Linear's: kernels and biases uniform on ±1/√inputs",
        "adam": "betas 0.9 and 0.999, epsilon 1e-8 after the bias correction",
        "adamw": "as adam, decoupled weight decay 0.01",
        "loader": LOADER,
        "stopping": "none",
    }
    fast_modes = {
        "compile": {
            "does": "torch.compile of the loss, with its gradients",
            "page": "https://docs.pytorch.org/tutorials/intermediate/torch_compile_tutorial.html",
            "why_not_default": "Compiling takes seconds to minutes, and on a CPU needs a C++ compiler.",
        },
        "reduce-overhead": {
            "does": "compile, replayed as CUDA graphs",
            "page": "https://docs.pytorch.org/docs/stable/generated/torch.compile.html",
            "why_not_default": "CUDA graphs hold memory of their own, and overwrite what the last step returned.",
        },
        "max-autotune": {
            "does": "compile, replayed as CUDA graphs, with the fastest of several kernels",
            "page": "https://docs.pytorch.org/docs/stable/generated/torch.compile.html",
            "why_not_default": "All kernels are compiled and timed first, which takes minutes.",
        },
        "foreach": {
            "does": "the optimizer with foreach=True: each operation on all parameters at once",
            "page": "https://docs.pytorch.org/docs/stable/optim.html",
            "why_not_default": "It is on CUDA; on a CPU torch loops over the parameters, which takes less memory.",
        },
        "fused": {
            "does": "the optimizer with fused=True: the whole update in one kernel",
            "page": "https://docs.pytorch.org/docs/stable/optim.html",
            "why_not_default": "It is torch's youngest implementation, taken only when asked for.",
        },
    }
    fast_class = "levelfield.adapters.torch.nn_fast:NNFast"
    replication = ("ranks",)
    replicated = "levelfield.adapters.torch.nn_ranks:NNRanks"
    epochs = staticmethod(epochs)

    def __init__(self, setting: Setting) -> None:
        self.model, self.recipe, self.dtype = setting.model, setting.recipe, getattr(torch, setting.dtype)
        self.device = torch.device("cuda" if setting.kind_of_device == "gpu" else "cpu")
        torch.manual_seed(setting.seed)
        self.network = model.build(setting).to(self.device)
        self.criterion = nn.CrossEntropyLoss() if setting.kind == "classification" else nn.MSELoss()
        self.optimizer = model.optimizer(self.network, setting)
        if setting.mode == "compile":
            self.loss = torch.compile(self.loss, dynamic=False)  # type: ignore[method-assign]

    def fit(self, train: Split, order: BatchOrder | None, watch: Watch) -> None:
        x = torch.tensor(train.x, dtype=self.dtype, device=self.device if order else None)
        y = torch.tensor(train.y, device=self.device if order else None)
        watch.ready()
        for epoch, batches in enumerate(self.epochs(x, y, order, self.recipe, self.device)):
            self.network.train()
            for batch in batches:
                self.optimizer.zero_grad()
                self.loss(*batch).backward()
                self.optimizer.step()
            if not watch.epoch_end(epoch):
                break

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        loss = self.criterion(self.network(x), y)
        return loss + model.penalty(self.network, self.model.l2) if self.model.l2 else loss
