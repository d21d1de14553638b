"""What is measured for docs/trust.md: parts of the doctor, and what proves levelfield to its makers."""

from __future__ import annotations

from typing import Any

from blocks import AgainstThemselves, Spread
from half import Half, HalfBusy
from overhead import AgainstScripts, Overhead
from product import MatrixProduct, Product
from share import Time, TimeShare
from startup import Start, Startup
from switch import Switch, Switching

from levelfield.harness.doctor.against_itself import Trial
from levelfield.harness.doctor.parts import PARTS as DOCTOR

# In the order of the document, each with the type of its results. All plan and measure as the doctor's do
PARTS: dict[str, tuple[Any, type[Any]]] = {
    **{name: (part, Trial) for name, part in DOCTOR.items()},
    "blocks": (AgainstThemselves(), Spread),
    "overhead": (AgainstScripts(), Overhead),
    "switch": (Switching(), Switch),
    "time": (Time(), TimeShare),
    "start": (Start(), Startup),
    "half": (Half(), HalfBusy),
    "product": (MatrixProduct(), Product),
}
