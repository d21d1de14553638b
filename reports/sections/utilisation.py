"""How much of the device was used."""

from __future__ import annotations

from reports.findings import Evidence
from reports.section import Section

ORDER, SHORT, TITLE = 60, "Utilisation", "Device utilisation"


def section(evidence: Evidence) -> Section:
    return Section(
        missing="Its records hold no counters of the device: achieved FLOP/s against the measured peak, busy cores, "
        "memory and energy need probes that this run did not use."
    )
