"""The lesson's figure: five points, what validates them, and the line and the network that were fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from matplotlib.lines import Line2D

from levelfield.harness.records.record import Record
from levelfield.reports.findings.evidence import Evidence
from levelfield.reports.findings.series import FIVE_POINTS as TASK
from levelfield.reports.page import figure
from levelfield.reports.page.blocks import Picture
from levelfield.tasks import registry
from levelfield.tasks.task import Task


def picture(evidence: Evidence, adapter: str, mode: str, name: str, alt: str, *, small: bool = False) -> Picture | None:
    """`small`: half as wide. None where this run was made on other points, or kept no curves."""
    task = registry.load(TASK)
    if evidence.run.tasks.get(TASK, {}).get("digest") != task.digest():
        return None
    fits = [
        r for r in evidence.latest if r.curve and (r.cell.task, r.cell.adapter, r.cell.mode) == (TASK, adapter, mode)
    ]
    if not fits:
        return None
    return Picture(
        name,
        partial(draw, fits, task, name, alt, small),
        f"What was fitted to five points, one curve for each seed. {adapter} ({mode}).",
        "Filled: training points. Hollow: validation points.",
    )


def draw(fits: Sequence[Record], task: Task, name: str, alt: str, small: bool) -> figure.Markup:
    drawing, axes = figure.small_plot() if small else figure.plot(2.9)
    handles = []
    models = {fit.cell.model.name: fit.parameters for fit in fits}
    colours = (figure.VERMILLION, figure.BLUE, figure.GREEN)
    for (model, parameters), colour in zip(
        sorted(models.items(), key=lambda item: item[1] or 0), colours, strict=False
    ):
        for fit in fits:
            if fit.cell.model.name == model:
                x, y = zip(*fit.curve, strict=True)
                axes.plot(x, y, color=colour, linewidth=1.1, alpha=0.6)
        handles.append(Line2D([], [], color=colour, label=f"{model}, {parameters} parameters"))
    for split, label, face in ((task.train, "training", figure.INK), (task.validation, "validation", figure.PAPER)):
        shape: dict[str, Any] = {"marker": "o", "linestyle": "none", "markersize": 6.5}
        shape |= {"color": figure.INK, "markerfacecolor": face}
        axes.plot(split.x[:, 0], split.y[:, 0], zorder=3, **shape)
        handles.append(Line2D([], [], label=label, **shape))
    axes.set_xlabel("x, standardised")
    axes.set_ylabel("y")
    figure.keys(drawing, handles, 2 if small else 4)
    return figure.to_svg(drawing, name, alt)
