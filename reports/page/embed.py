"""The raw data inside the page: JSON that no HTML parser, old script engine or bidirectional mark can misread."""

from __future__ import annotations

import json
from math import isfinite, isnan
from typing import Any

from markupsafe import Markup

from levelfield.reports.findings.evidence import Evidence

# Paths of the machine that made the run: of use beside its folder only, and a page is shown to others
PRIVATE = {"python", "suite_folder"}
LARGEST = 1_500_000  # bytes of JSON; past it the page carries one line per cell and says where the records are


def document(evidence: Evidence) -> dict[str, Any]:
    """`json`: what the page embeds; `complete`: whether these are all records."""
    run = plain(evidence.run.model_dump(exclude=PRIVATE))
    rest = {"peaks": [plain(peak.model_dump()) for peak in evidence.peaks]}
    if evidence.explained:
        rest["explained"] = [plain(one.model_dump()) for one in evidence.explained]
    text = encode({"run": run, "records": [plain(r.model_dump()) for r in evidence.records]} | rest)
    if len(text) <= LARGEST:
        return {"json": text, "complete": True, "size": len(text)}
    cells = [
        {
            "cell": p.entry.label,
            "adapter": p.entry.adapter,
            "mode": p.entry.mode,
            "workload": p.workload.full,
            "launches": dict(sorted(p.counts.items())),
            "step_seconds": {str(block): value for block, value in sorted(p.steps.items())},
            "verdict": p.word,
            "reason": p.reason,
        }
        for comparison in evidence.speed
        for p in comparison.places
    ]
    return {"json": encode({"run": run, "cells": cells} | rest), "complete": False, "size": len(text)}


def plain(value: Any) -> Any:
    """JSON values only; numbers that JSON lacks become the strings that the record's schema reads back."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def encode(value: Any) -> Markup:
    """ASCII only, and without ``<``, ``>`` and ``&``: safe inside a script element, and the same data."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - nothing is left that HTML could read
