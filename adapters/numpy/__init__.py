"""NumPy by hand: the reference of all certificates."""
