"""Counts what fuzzing tried; ``make fuzz`` writes it down."""

from __future__ import annotations

import json
import os
import platform
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("LEVELFIELD_FUZZ", "40"))  # of each kind
settings.register_profile(
    "fuzz",
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="LEVELFIELD_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@pytest.fixture(scope="session")
def tried() -> Iterator[Counter[tuple[str, int]]]:
    """(what was fuzzed, exit code) → examples."""
    counts: Counter[tuple[str, int]] = Counter()
    begin = time.monotonic()
    yield counts
    if "LEVELFIELD_FUZZ_JSON" in os.environ:
        from levelfield.harness.system import machine

        rows: dict[str, dict[str, int]] = {}
        for (what, code), number in sorted(counts.items()):
            rows.setdefault(what, {})[str(code)] = number
        result = {
            "command": f"LEVELFIELD_FUZZ={EXAMPLES} python -m pytest tests/fuzz",
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": machine.commit(),
            "python": platform.python_version(),
            "seconds": round(time.monotonic() - begin),
            "rows": rows,
        }
        Path(os.environ["LEVELFIELD_FUZZ_JSON"]).write_text(json.dumps(result, indent=1) + "\n")
