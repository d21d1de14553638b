"""JAX by itself, and through Flax NNX."""
