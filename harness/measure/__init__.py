"""What happens inside one launch: phases, turns, checks of the timed work."""
