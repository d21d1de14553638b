"""``levelfield run published`` with real frameworks: the figures that others published come out, certified."""

from __future__ import annotations

from dataclasses import replace

import pytest

from levelfield.harness.records import store
from levelfield.reports.findings import published
from levelfield.reports.findings.certificates import summary
from levelfield.reports.findings.evidence import Evidence, gather

pytestmark = [pytest.mark.frameworks, pytest.mark.slow]
ADAPTERS = ("numpy-manual", "torch-nn", "sklearn-mlp")
LOSSES = {"sgd-400": "0.096950", "momentum-400": "0.049530", "nesterov-400": "0.049540"}


@pytest.fixture(scope="module")
def ran(levelfield):
    """What the command printed, and what it found."""
    chosen = [word for name in ADAPTERS for word in ("--adapter", name)]
    done = levelfield("run", "published", "--task", "iris-whole", *chosen, "--anonymous", "-o", "published")
    assert done.returncode == 0, done.stderr
    stored = store.read(levelfield.folder / "published")
    proofs = [summary(certificate) for certificate in stored.certificates]
    return done.stderr, gather(stored.run, stored.records, certificates=proofs)


def losses(evidence: Evidence, known=None) -> list[published.Row]:
    known = known or [f for f in published.figures() if f.measure == "loss" and f.recipe in LOSSES]
    return list(published.compare(evidence, known))


def test_iris_losses_come_out_to_the_last_digit_in_every_adapter_and_each_is_certified(ran):
    _, evidence = ran
    found = losses(evidence)
    assert {row.figure.recipe: row.here for row in found} == LOSSES
    for row in found:
        assert row.same
        assert [member.entry.adapter for member in row.members] == sorted(ADAPTERS)
        assert all(member.certified for member in row.members)


def test_the_run_prints_the_table_the_source_and_the_cause_of_the_one_difference(ran):
    printed, _ = ran
    assert "iris-whole, nesterov-400" in printed
    assert "7 of 8 published figures came out the same to the last printed digit" in printed
    assert "read on 2026-11-29" in printed
    assert "adds epsilon before the bias correction" in printed
    assert "not certified" not in printed


def test_a_changed_figure_is_told_as_a_difference(ran):
    _, evidence = ran
    known = [replace(f, printed="0.049541") for f in published.figures() if f.measure == "loss" and f.recipe in LOSSES]
    assert [row.same for row in losses(evidence, known)] == [False] * 3
