"""A suite file → cells → launches. Nothing is started here, and no framework imported."""
