"""The default against the guide's best: which modes are compared, which one is told, and when there is no section."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import report_factory as factory

from levelfield.reports.findings.certificates import Certificate, Check
from levelfield.reports.findings.evidence import gather
from levelfield.reports.page import html as page
from levelfield.reports.sections import guides


def told(mode):
    return {"does": f"what {mode} does", "page": f"https://example.org/{mode}", "why_not_default": f"Why not {mode}."}


def about(*fast, modes=("eager", "compile")):
    return SimpleNamespace(
        modes=modes, notes=(), limits=(), defaults={}, fast_modes={mode: told(mode) for mode in fast}
    )


ADAPTERS = {"torch-nn": about("compile", "foreach", "fused"), "jax-grad": about("donate", modes=("jit",))}
STEPS = {
    ("torch-nn", "eager"): 200e-6,
    ("torch-nn", "compile"): 180e-6,
    ("torch-nn", "foreach"): 220e-6,
    ("torch-nn", "fused"): 100e-6,
    ("jax-grad", "jit"): 50e-6,
    ("jax-grad", "donate"): 50e-6,
}


def records(steps=STEPS, blocks=6):
    entries = [(name, name, None, "low", mode, step, 0.0) for (name, mode), step in steps.items()]
    return factory.speed_records(entries, blocks=blocks)


def gathered(steps=STEPS, adapters=ADAPTERS, **more):
    return gather(factory.make_run(), records(steps), baseline="torch-nn", adapters=adapters, **more)


def test_the_fastest_mode_of_each_guide_stands_against_the_default_one():
    section = guides.section(gathered())
    assert section.missing is None
    assert "faster than the default in 1 of 2 adapters, most of all torch-nn fused (×0.50 the time)" in section.finding
    [table] = section.tables
    shown = {line.values[0].text: [value.text for value in line.values] for line in table.lines}
    assert shown["torch-nn"][1] == "eager"
    assert shown["torch-nn"][3] == "fused"
    assert shown["torch-nn"][6] == "▲ faster"
    assert "compile" in shown["torch-nn"][7]
    assert shown["torch-nn"][8] == "Why not fused."
    assert shown["jax-grad"][6] in ("≈ tied", "? inconclusive")


def test_the_page_has_the_link_and_the_reason():
    text = page.render(gathered())
    assert '<section id="guides"' in text
    assert "https://example.org/fused" in text
    assert "Why not fused." in text


@pytest.mark.parametrize("left", [{"eager"}, {"eager", "compile"}, {"foreach", "fused"}])
def test_without_a_default_or_a_mode_that_must_be_asked_for_there_is_no_section(left):
    steps = {(name, mode): step for (name, mode), step in STEPS.items() if name == "torch-nn" and mode in left}
    section = guides.section(gathered(steps))
    assert section.missing is not None
    assert "levelfield run guides" in section.missing
    assert section.blocks == ()


def test_a_mode_without_a_certificate_is_not_the_best():
    held = [Certificate(name, mode, (Check("loss", 0.0, 1e-6),)) for name, mode in STEPS if mode != "fused"]
    [advice] = [
        a for a in guides.find(gathered(certificates=held).speed[0], gathered()) if a.default.entry.mode == "eager"
    ]
    assert advice.best.entry.mode == "compile"


def test_two_blocks_are_not_judged():
    evidence = gather(factory.make_run(), records(blocks=2), baseline="torch-nn", adapters=ADAPTERS)
    assert "no guide's mode is judged" in guides.section(evidence).finding
