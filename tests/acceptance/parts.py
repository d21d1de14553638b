"""What is measured for docs/trust.md: parts of the doctor, and what proves levelfield to its makers."""

from __future__ import annotations

from typing import Any

from cold import Agreement, WarmAndCold
from half import Half, HalfBusy
from overhead import AgainstScripts, Overhead
from probed import OnAndOff, Probed
from product import MatrixProduct, Product
from share import Time, TimeShare
from startup import Start, Startup

from levelfield.harness.doctor.against_itself import Trial
from levelfield.harness.doctor.examine import Measuring
from levelfield.harness.doctor.parts import PARTS as DOCTOR

# In the order of the document, each with the type of its results
PARTS: dict[str, tuple[Measuring, type[Any]]] = {
    **{name: (part, Trial) for name, part in DOCTOR.items()},
    "overhead": (AgainstScripts(), Overhead),
    "cold": (WarmAndCold(), Agreement),
    "time": (Time(), TimeShare),
    "start": (Start(), Startup),
    "half": (Half(), HalfBusy),
    "probed": (OnAndOff(), Probed),
    "product": (MatrixProduct(), Product),
}
