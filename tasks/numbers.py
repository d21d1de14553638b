"""Numbers as a suite writes them and a record keeps them: 5.0, "5" and true are no whole number."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval
from pydantic import AllowInfNan, Strict

# What every program that reads an export can hold
Whole = Annotated[int, Strict(), Interval(ge=-(2**63), lt=2**63)]
Real = Annotated[float, Strict(), AllowInfNan(False)]
