"""An adapter's step, compiled for a chip that is not here: what can be known of it before anybody has the chip."""
