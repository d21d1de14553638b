"""The proof that an adapter computes the specification, before anything of it is timed."""
