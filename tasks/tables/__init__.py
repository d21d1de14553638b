"""A user's own file: bytes → columns → numbers, with all that was inferred told."""
