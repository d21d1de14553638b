"""What can go around the training of a launch, as data of its job."""

from __future__ import annotations

from levelfield.harness.measure.delay import Delay
from levelfield.harness.measure.instead import Instead
from levelfield.harness.measure.profile import Profiled

Wrap = Delay | Instead | Profiled
