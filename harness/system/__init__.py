"""What the operating system tells and does: processes, cores, memory, paths."""
