"""Keras' `fit`, a loop of one's own around its models, and a layer of one's own; on each of its backends."""
