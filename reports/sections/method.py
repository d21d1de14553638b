"""How the numbers were made, and what the words mean."""

from __future__ import annotations

from levelfield.harness.judge.statistics import LEAST_BLOCKS
from levelfield.harness.launch.rounds import AGREE, LEAST_TURNS
from levelfield.harness.measure.disturbance import RULES
from levelfield.harness.measure.turns import TURN
from levelfield.reports.findings.evidence import CONFIDENCE, MARGIN, Evidence
from levelfield.reports.page.blocks import Section
from levelfield.reports.sections.failures import RULE_WORDS

ORDER, SHORT, TITLE = 140, "Method", "Method and glossary"


def section(evidence: Evidence) -> Section:
    return Section(
        sentences=(
            f"Verdicts come from paired launches against {evidence.baseline_label}, with intervals that hold together "
            f"at {100 * CONFIDENCE:g} %; within ±{100 * MARGIN:g} % is a tie, and fewer than {LEAST_BLOCKS} pairs are "
            "not judged.",
        ),
        extra={
            "rules": ", ".join(f"{RULE_WORDS.get(name, name)} above {100 * most:g} %" for name, most in RULES.items()),
            "turn": f"{1e3 * TURN:g}",
            "turns": LEAST_TURNS,
            "agree": f"{100 * AGREE:g}",
            "confidence": f"{100 * CONFIDENCE:g}",
            "margin": f"{100 * MARGIN:g}",
            "least": LEAST_BLOCKS,
        },
    )
