"""Records → what can be said."""
