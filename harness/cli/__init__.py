"""Words in, exit code out; the only room of the harness that knows the reports."""
