"""What lies here are scripts and what they share: they import each other by name, as scripts do."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "harness")]  # doctor_examples
