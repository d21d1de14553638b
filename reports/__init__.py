"""records → findings → figures → page."""
