"""Records → tables, exports, comparisons of runs, history."""
