"""Suite → plan → launches → records → verdicts."""
