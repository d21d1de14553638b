"""Counting false alarms of a gate; the runs themselves are the script's."""

from __future__ import annotations

import tomllib

import gate_alarms


def order(before: int, after: int) -> dict:
    return {"cells": 5, "before": ["a cell"] * before, "after": ["a cell"] * after, "seconds": 10.0 * before}


def test_a_gate_with_several_wrong_cells_is_one_false_alarm() -> None:
    pairs = [{"orders": [order(2, 1), order(0, 0)]}, {"orders": [order(1, 0), order(0, 0)]}]
    head, before, after, took = gate_alarms.summary(pairs)
    assert head == "2 pairs of runs, each in both orders:"
    assert before.startswith("before --confirm: 2 of 4 gates fail, 50% (7% to 93%); 3 of 20 cells")
    assert after.startswith("after --confirm: 1 of 4 gates fail, 25% (1% to 81%); 1 of 20 cells")
    assert took == "measuring again took 30 s in all"


def test_only_what_fails_a_gate_counts() -> None:
    rows = [("slower", True), ("slower", False), ("faster", True), ("inconclusive", False), ("not judged", False)]
    changes = [{"cell": f"{word} {material}", "word": word, "material": material} for word, material in rows]
    assert gate_alarms.slower({"changes": changes}) == ["slower True"]


def test_the_suite_is_one() -> None:
    suite = tomllib.loads(gate_alarms.SUITE.format(adapters='["numpy-manual"]', blocks=8))
    assert suite["speed"][0]["blocks"] == 8
