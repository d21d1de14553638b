"""The proof that the adapters compute the same mathematics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import isfinite, log10

from levelfield.harness.results.proved import NOT_PROVED
from levelfield.reports.findings.certificates import Certificate, Check
from levelfield.reports.findings.entries import Entry
from levelfield.reports.findings.evidence import Evidence, Outcome
from levelfield.reports.findings.text import count, listing, significant
from levelfield.reports.page import figure
from levelfield.reports.page.blocks import ENTRY, Column, Line, Picture, Section, Table, absent, number, text

ORDER, SHORT, TITLE = 100, "Proof", "Certificates: is it the same mathematics?"
QUESTION = "Is it the same mathematics?"


def section(evidence: Evidence) -> Section:
    if evidence.certificates is None:
        return Section(
            missing="Not certified yet: no certificate was examined for this page, so nothing here is proved equal. "
            "levelfield certify makes them."
        )
    certificates = sorted(evidence.certificates, key=lambda c: (c.adapter, c.mode, c.environment, c.where))
    examined = [c for c in certificates if c.checks]
    return Section(
        sentences=(sentence(evidence, certificates), *timed(evidence)),
        blocks=(*([picture(examined)] if examined else []), *([table(certificates)] if certificates else [])),
    )


def picture(examined: Sequence[Certificate]) -> Picture:
    caption = "Largest deviation from the float64 reference, as a share of its tolerance."
    key = "Point: one quantity. ×: beyond the tolerance."
    return Picture("deviation", partial(draw, examined, "deviation"), caption, key)


def uncertified(evidence: Evidence) -> list[str]:
    """Entries that gave a number in this run without holding a certificate."""
    return sorted({p.entry.label for c in evidence.speed for p in c.places if p.certified is False and p.interval})


def sentence(evidence: Evidence, certificates: Sequence[Certificate]) -> str:
    held = [c for c in certificates if c.held]
    without = uncertified(evidence)
    told = f"{len(held)} of {len(certificates)} certificates are held"
    if not certificates:
        told = "This run holds no certificate"
    checks = [k for c in held for k in c.checks]
    if checks:
        closest = max(checks, key=_share)
        used = significant(100 * _share(closest), 2)
        told += f"; the closest call used {used} % of its tolerance ({closest.quantity})"
    failed = [c for c in certificates if not c.held]
    if failed:
        told += f"; not held: {listing([_label(c) for c in failed])}"
    if without:
        told += f". Measured without a certificate, so outside every verdict: {listing(without)}"
    return told + "."


def timed(evidence: Evidence) -> tuple[str, ...]:
    """What the timed launches were held against, and what it cost; nothing of a run that holds no proof."""
    own = [r for r in evidence.latest if r.cell.kind == "speed" and r.status == "ok" and r.proof]
    if not own:
        return ()
    followed = sum(r.proof.get("weights", "").startswith("off by") for r in own)
    unproved = sum(bool(r.unproved) for r in own)
    cost = sum(r.phases.get("proof", 0.0) for r in own) / max(sum(r.wall_seconds for r in own), 1e-9)
    return (
        f"Of {count(len(own), 'timed launch', 'timed launches')}, the weights of {followed} were held against the "
        f"reference after the clock had stopped, which took {significant(100 * cost, 2)} % of their time"
        + (f"; {unproved} {NOT_PROVED}." if unproved else "."),
    )


def _share(check: Check) -> float:
    if not isfinite(check.deviation):
        return float("inf")
    return check.deviation / check.tolerance if check.tolerance > 0 else (0.0 if check.deviation == 0 else float("inf"))


def _label(c: Certificate) -> str:
    return " ".join(
        [Entry(c.adapter, c.mode, environment=c.environment).label, *[c.device] * (c.device != "cpu"), *c.unusual]
    )


def draw(certificates: Sequence[Certificate], name: str) -> figure.Markup:
    rows = list(certificates)
    drawing, axes = figure.panel([_label(c) for c in rows], top=0.15)
    axes.axvline(0, color=figure.INK, linewidth=1.1)
    for row, certificate in enumerate(rows):
        for check in certificate.checks:
            share = _share(check)
            x = min(3.0, log10(max(share, 1e-6))) if isfinite(share) else 3.0
            mark = (
                {"marker": "o", "color": figure.BLUE} if check.passed else {"marker": "X", "color": figure.VERMILLION}
            )
            edge = {"markeredgecolor": figure.INK, "markeredgewidth": 0.4}
            figure.dot(axes, x, row, mark, 4 if check.passed else 7, alpha=0.75, **edge)
    axes.set_xlim(-6.3, 3.3)
    axes.set_xticks(
        range(-6, 4), ["≤10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "0.1", "tolerance", "×10", "×100", "≥×1000"], fontsize=8
    )
    axes.set_xlabel("share of the tolerance, log scale")
    held = sum(c.held for c in rows)
    return figure.to_svg(drawing, name, f"Deviation by certificate: {held} of {len(rows)} lie within every tolerance.")


def table(certificates: Sequence[Certificate]) -> Table:
    lines = []
    for c in certificates:
        outcome: Outcome = "ok" if c.held else "not certified"
        facets = {"mode": c.mode, "status": outcome}
        who = text(Entry(c.adapter, c.mode, environment=c.environment).label), text(c.where)
        if not c.checks:
            why = text("not examined", detail=c.reason or "no check was made", tone="absent")
            lines.append(Line((*who, why, *[absent()] * 3), facets))
        lines += [
            Line(
                (
                    *who,
                    text(k.quantity),
                    number(significant(k.deviation), k.deviation if isfinite(k.deviation) else float("1e300")),
                    number(significant(k.tolerance), k.tolerance),
                    text("pass" if k.passed else "fail", tone="" if k.passed else "failed"),
                ),
                facets,
            )
            for k in c.checks
        ]
    return Table(
        "certificates-table",
        "Deviation from the float64 reference",
        (
            ENTRY,
            Column("Device, precision, replicas", numeric=False),
            Column("Quantity", numeric=False),
            Column("Largest deviation"),
            Column("Tolerance"),
            Column("Result", numeric=False),
        ),
        tuple(lines),
    )
