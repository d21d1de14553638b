"""How well this machine and this tool can be trusted: what disturbs, and how often the verdicts err."""
