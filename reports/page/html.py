"""The report: one offline HTML page from a run and its records, the same bytes for the same records."""

from __future__ import annotations

import base64
import hashlib
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from types import ModuleType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from levelfield.harness.records.record import Record, Run
from levelfield.harness.run.outcome import unfinished
from levelfield.reports import sections
from levelfield.reports.findings import publishable, text, words
from levelfield.reports.findings.evidence import Evidence, gather, outcome_counts, warnings
from levelfield.reports.page import answer, embed, figure
from levelfield.reports.page.blocks import Section


def build(run: Run, records: Sequence[Record], **known: Any) -> str:
    """The page as HTML text; `known` is what `gather` takes besides. Raises UserError for an unknown baseline."""
    return render(gather(run, records, **known))


def render(evidence: Evidence) -> str:
    with figure.style():
        return _render(evidence)


def _render(evidence: Evidence) -> str:
    data = embed.document(evidence)
    parts = {module.__name__.rpartition(".")[2]: (module, module.section(evidence)) for module in modules()}
    missing = [(name, m.TITLE, s.missing) for name, (m, s) in parts.items() if s.missing]
    shared = {
        "evidence": evidence,
        "run": evidence.run,
        "complete": data["complete"],
        "megabytes": text.fixed(data["size"] / 1e6, 1),
        "limit_megabytes": text.fixed(embed.LARGEST / 1e6, 1),
    }
    order = [name for name, (_, section) in parts.items() if not section.missing]
    asked = first_question(evidence, {name: section for name, (_, section) in parts.items()})
    if asked in order:
        order.remove(asked)
        order.insert(1, asked)
    first = first_screen(evidence, parts, asked)
    bodies = []
    for name in order:
        module, section = parts[name]
        if name == asked and first["head"]:  # it is not drawn twice
            section = replace(section, blocks=tuple(b for b in section.blocks if b is not first["head"]))
        told = {"name": name, "title": module.TITLE, "section": section} | shared
        if name == "summary":
            told |= first
        bodies.append({"name": name, "short": module.SHORT, "html": fill(f"{name}.html", **told)})
    if missing:
        bodies.append({"name": "not-measured", "short": "Missing", "html": fill("missing.html", missing=missing)})
    return shell(
        "page.html",
        bodies,
        data,
        run=evidence.run,
        evidence=evidence,
        counts=outcome_counts(evidence),
        trust=publishable.trust(evidence),
        stamp=publishable.stamp(evidence),
        unfinished=unfinished(evidence.run, evidence.latest),
        warnings=warnings(evidence),
        records=len(evidence.records),
    )


MOST_LINES = 24  # of a table on the first screen, where there is no picture


def first_question(evidence: Evidence, found: Mapping[str, Section]) -> str:
    """The section that answers what the run was made for; that on speed is answered by the first picture itself."""
    if evidence.run.study and not found["studies"].missing:
        return "studies"
    for name in ("scaling", "ranks"):
        if not found[name].missing and found[name].head:
            return name
    if any(c.measured for c in evidence.speed):
        return "speed"
    return next((name for name in ("gap", "published") if not found[name].missing), "failures")


def first_screen(evidence: Evidence, parts: Mapping[str, tuple[ModuleType, Section]], asked: str) -> dict[str, Any]:
    """The question, who is fastest in a sentence and a picture, and the other questions in a line each."""
    found = answer.find(evidence) if asked == "speed" else None
    own = parts[asked][1]
    glances = [(n, m.QUESTION, s.glance) for n, (m, s) in parts.items() if s.glance and n != asked]
    plain = own.glance.text if own.glance else own.finding if evidence.latest else "This run has no record yet."
    return {
        "question": getattr(parts[asked][0], "QUESTION", parts[asked][0].TITLE),
        "lead": answer.lead(found) if found else plain,
        "answer": found,
        "head": None if found else own.head or next((t for t in own.tables if len(t.lines) <= MOST_LINES), None),
        "wide": answer.draw(found, "answer") if found else "",
        "narrow": answer.draw(found, "answer-narrow", answer.NARROW) if found else "",
        "glances": glances,
        "others": answer.others(evidence, found) if found else (),
    }


def fill(template: str, **told: Any) -> Markup:
    return Markup(environment().get_template(template).render(told))  # noqa: S704 - rendered with autoescape


def shell(template: str, bodies: Sequence[Mapping[str, Any]], data: Mapping[str, Any], **context: Any) -> str:
    """The page around its sections: style, script, policy, navigation and data. `bodies`: name, short, html."""
    script = _static("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        environment()
        .get_template(template)
        .render(
            bodies=bodies,
            style=Markup(_static("page.css")),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            script_hash=digest,
            data=data,
            **context,
        )
    )


@cache
def modules() -> tuple[ModuleType, ...]:
    """The section modules, found by name, in the order that they ask for."""
    found = [importlib.import_module(f"{sections.__name__}.{m.name}") for m in pkgutil.iter_modules(sections.__path__)]
    return tuple(sorted(found, key=lambda m: (m.ORDER, m.__name__)))


def _static(name: str) -> str:
    return resources.files("levelfield.reports.page").joinpath("static", name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("levelfield.reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_neutral,
    )
    made.filters |= {"duration": text.duration, "clock": text.clock}
    made.globals |= {"count": text.count, "SIGNS": words.SIGNS}
    return made


def _neutral(value: Any) -> Any:
    """What is not markup of our own is shown with every invisible character written out."""
    return value if isinstance(value, Markup) else text.visible(value)
