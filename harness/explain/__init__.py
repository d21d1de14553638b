"""Where the time of a step goes: a ladder of launches in turns that adds up, and profiles of its steady steps."""
