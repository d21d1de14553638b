"""The values of options: from what was typed to what is meant, and back."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from math import nextafter
from pathlib import Path
from typing import Any

from levelfield.adapters.choices import DEVICE_KINDS
from levelfield.tasks.errors import unknown

FAILURES = ("slower", "undecided")  # what `compare --fail-on` knows


def slower(text: str) -> float:
    what, _, share = text.partition(":")
    if what != "slower" or not share:
        raise argparse.ArgumentTypeError(f"{text!r} is nothing to search for; write slower:3%")
    return percent(share)


def names(text: str) -> list[str]:
    return text.split(",")


def failures(text: str) -> list[str]:
    for word in (words := text.split(",")):
        if word not in FAILURES:
            raise unknown("fail-on", word, FAILURES)
    return words


def environment(text: str) -> tuple[str, Path]:
    side, _, python = text.partition("=")
    if side not in ("base", "new") or not python:
        raise argparse.ArgumentTypeError(f"{text!r} is not base=PYTHON or new=PYTHON")
    return side, Path(python)


def positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def widths(text: str) -> list[int]:
    return [positive(word) for word in text.split(",")]


def image(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".svg", ".png"):
        raise argparse.ArgumentTypeError(f"{text!r} ends neither in .svg nor in .png")
    return path


def device(text: str) -> str:
    kind, colon, number = text.partition(":")
    if text == "cpu" or (kind in DEVICE_KINDS[1:] and (not colon or (number.isdecimal() and len(number) <= 3))):
        return text if text == "cpu" else f"{kind}:{int(number or 0)}"
    raise argparse.ArgumentTypeError(f"{text!r} is no device; write cpu, gpu:0 or tpu:0 (levelfield list devices)")


def variable(text: str) -> tuple[str, str]:
    import os

    from levelfield.harness.system import variables

    return variables.parse(text, os.environ)


def launcher(text: str) -> str:
    if text not in ("local", "ray") and not (text.startswith("ray://") and text[6:].rpartition(":")[2].isdigit()):
        raise unknown("launcher", text, ["local", "ray", "ray://HOST:PORT"])
    return text


def duration(text: str) -> float:
    from levelfield.harness.plan.suite import seconds

    try:
        return seconds(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write 90s, 10m or 1.5h") from None


def percent(text: str) -> float:
    try:
        value = float(text.removesuffix("%")) / 100
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage between 0% and 100%; write 2%")
    return value


def in_seconds(value: float) -> str:
    return f"{value:g}s" if float(f"{value:g}") == value else f"{value!r}s"


def in_percent(value: float) -> str:
    """In as few digits as give the same value again."""
    for digits in range(1, 18):
        text = f"{100 * value:.{digits}g}"
        if float(text) / 100 == value:
            return f"{text}%"
    near = next(x for x in (nextafter(100 * value, 0), nextafter(100 * value, 100)) if x / 100 == value)
    return f"{near!r}%"


# How an option's value is written, where not as Python writes it
WRITTEN: dict[object, Callable[[Any], str]] = {
    duration: in_seconds,
    percent: in_percent,
    slower: lambda value: f"slower:{in_percent(value)}",
    names: ",".join,
    widths: lambda widths: ",".join(map(str, widths)),
    variable: "=".join,
    environment: lambda given: f"{given[0]}={given[1]}",
}
