"""A wish to end that all who work look at."""

from __future__ import annotations

import threading


class Stop:
    """Set when the user asks for an end; what is under way finishes first."""

    def __init__(self) -> None:
        self.asked = threading.Event()
