"""PyTorch's autograd, its layers, and Lightning."""
