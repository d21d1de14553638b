"""The keys of docs/data.md: all are there, and each example reads a file that needs it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import levelfield
from levelfield.tasks import table
from levelfield.tasks.tables.spec import TableSpec

TEXT = (Path(levelfield.__file__).resolve().parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
KEYS = TEXT.partition("### The keys")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| ((?:`[a-z-]+` ?)+)\| (.+) \| (.+) \|$", KEYS, re.MULTILINE)
EXAMPLES = [
    (keys.split("`")[1], example) for keys, _, cell in ROWS for example in re.findall(r"`([a-z-]+ = [^`]+)`", cell)
]
TOGETHER = {"train", "test"}  # examples that are one


def flowers(separator: str = ",", header: bool = True, point: str = ".") -> str:
    """Thirty flowers of two species, in three splits."""
    names = ["length", "width", "species", "part", "id", "is_a", "is_b"]
    lines = [names] if header else []
    for i in range(30):
        part = ["train", "train", "train", "validation", "test"][i // 2 % 5]
        size = f"{i % 2 + i / 7:.2f}".replace(".", point)
        lines.append([size, str(i * 7 % 11), "ab"[i % 2], part, str(i), str(1 - i % 2), str(i % 2)])
    return "\n".join(separator.join(line) for line in lines) + "\n"


PLAIN = {"file": "flowers.csv", "label": "species", "features": ["length", "width"]}
BY_PLACE = {"file": "flowers.csv", "label": 3, "features": [1, 2]}
NEEDS: dict[str, tuple[str | bytes, dict[str, Any]]] = {  # key → the file that needs it, and the keys beside it
    "format": ("".join(f"{i % 2} 1:{i} 2:{i * i}\n" for i in range(30)), {"file": "flowers.csv", "label": "label"}),
    "label": (flowers(), {"file": "flowers.csv", "features": ["length", "width"]}),
    "kind": (flowers(), {"file": "flowers.csv", "label": "length", "features": ["width"]}),
    "label-scale": (flowers(), {"file": "flowers.csv", "label": "width", "features": ["length"], "kind": "regression"}),
    "rare": (flowers() + "1,1,c,train,1,0,0\n" * 2, PLAIN),
    "exclude": (flowers(), {"file": "flowers.csv", "label": "species", "split-column": "part"}),
    'separator = ";"': (flowers(";"), PLAIN),
    'separator = " "': (flowers("  "), PLAIN),
    "header": (flowers(header=False), BY_PLACE),
    "names": (
        "\n".join(",".join(line.split(",")[:3]) for line in flowers(header=False).splitlines()),
        {"file": "flowers.csv", "label": "species", "header": False},
    ),
    "skip-lines": ("# of the dyke\n# in May\n" + flowers(), PLAIN),
    "encoding": (flowers().replace(",id,", ",größe,").encode("latin-1"), PLAIN),
    "quote": (re.sub(r"\b([ab])\b", r"'\1'", flowers()), PLAIN),
    "decimal": (flowers(";", point=","), {**PLAIN, "separator": ";"}),
    "thousands": (re.sub(r"(?m)^(\d)\.(\d\d);", r"\1.\g<2>0;", flowers(";")), {**PLAIN, "separator": ";"}),
    "missing-values": (flowers().replace("\n0.00,", "\n-200,"), {**PLAIN, "missing": "drop"}),
    "missing": (flowers().replace("\n0.00,", "\n?,"), PLAIN),
    "text": (flowers(), {"file": "flowers.csv", "label": "species", "features": ["width", "part"]}),
}


def test_every_key_is_explained_with_an_example() -> None:
    named = [key for keys, _, _ in ROWS for key in re.findall(r"`([a-z-]+)`", keys)]
    assert sorted(named) == sorted(name.replace("_", "-") for name in TableSpec.model_fields)
    shown = {key for _, example in EXAMPLES for key in tomllib.loads(example)}
    assert shown == set(named) - {"validation"}


@pytest.mark.parametrize(("key", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_an_example_reads_a_file_that_needs_it(tmp_path: Path, key: str, example: str) -> None:
    content, beside = NEEDS.get(example) or NEEDS.get(key, (flowers(), PLAIN))
    keys = {**beside, **tomllib.loads(example)}
    for name in ("flowers.csv", "a.csv", "b.csv"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    if key in TOGETHER:
        keys = {"label": "species", "features": ["length", "width"], "train": "a.csv", "test": "b.csv"}
    task = table.load("flowers", TableSpec(**keys).beside(tmp_path))
    assert len(task.train.x) > 5
    assert np.isfinite(task.train.x).all()
    if key == "thousands":
        assert table.Table("flowers", TableSpec(**keys).beside(tmp_path)).features[0].numbers.max() > 1000
