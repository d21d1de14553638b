"""The only place where a framework is imported. Each adapter is one framework through one of its APIs."""
