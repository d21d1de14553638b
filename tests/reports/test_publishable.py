"""A run is publishable when machine, blocks, certificates and commit say so; else it says what it lacks."""

from __future__ import annotations

import pytest
from report_factory import CERTIFICATES, ENTRIES, MACHINE, make_cell, make_run, speed_record

from levelfield.reports.findings import publishable
from levelfield.reports.findings.evidence import gather
from levelfield.reports.page import html


def evidence(blocks=12, run=None, certified=True):
    records = [
        speed_record(make_cell(entry), block, entry[5]) for entry in (ENTRIES[0], ENTRIES[1]) for block in range(blocks)
    ]
    run = run or make_run(warnings=[])
    return gather(run, records, certificates=CERTIFICATES if certified else None)


def test_a_run_that_lacks_nothing_is_publishable():
    assert publishable.lacks(evidence()) == ()
    assert publishable.stamp(evidence()) == "Publishable: nothing is missing."


def test_a_run_of_an_installed_package_is_publishable_too():
    machine = MACHINE.model_copy(update={"commit": None, "package": "sha256:01"})
    assert publishable.lacks(evidence(run=make_run(warnings=[], machine=machine))) == ()


@pytest.mark.parametrize(
    ("lacking", "says"),
    [
        (evidence(blocks=4), "5 blocks of every cell"),
        (evidence(blocks=2), "nothing that was timed could be judged"),
        (evidence(certified=False), "certificates: none were examined"),
        (evidence(run=make_run(warnings=["This is a virtual machine."])), "1 warning"),
        (evidence(run=make_run(warnings=[], machine=MACHINE.model_copy(update={"commit": None}))), "a commit"),
        (
            evidence(run=make_run(warnings=[], machine=MACHINE.model_copy(update={"commit": "0123+changes"}))),
            "without changes",
        ),
        (
            evidence(
                run=make_run(
                    warnings=[], machine=MACHINE.model_copy(update={"commit": None, "package": "sha256:01+changes"})
                )
            ),
            "without changes",
        ),
    ],
)
def test_what_is_missing_is_said_and_nothing_else(lacking, says):
    (missing,) = publishable.lacks(lacking)
    assert says in missing
    assert missing in html.render(lacking)
