"""One module a section; the page finds them by name."""
