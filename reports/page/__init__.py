"""The HTML page: blocks, figures, templates, style and script."""
