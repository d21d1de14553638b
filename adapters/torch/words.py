"""What holds for every adapter over torch, in words."""

LOADER = "DataLoader over a TensorDataset, shuffle=True, no workers, the partial last batch kept"
NO_TPU = {
    "device": "tpu",
    "because": "torch reaches a TPU through torch-tpu or torch_xla, which its adapters do not use",
}
COMPILER = {
    "mode": ("compile", "reduce-overhead", "max-autotune"),
    "compiler": False,
    "device": "cpu",
    "because": "torch.compile on a CPU needs a C++ compiler",
}
