"""Examples of properties may take as long as the machine needs: their deadline of 200 ms would be a timed test."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
