"""A number, how it came about, and its absence. A zero that means "could not look" is a bug."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, ser_json_inf_nan="constants")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy that derives anew what this one has derived from its fields (`functools.cached_property`)."""
        copied = super().model_copy(update=update, deep=deep)
        for name in vars(copied).keys() - type(self).model_fields.keys():
            del vars(copied)[name]
        return copied


class Measured(Frozen):
    """Read from a counter or a clock. `source` names it as its makers do; `unit` is written out: B, s, W, cores, 1."""

    state: Literal["measured"] = "measured"
    value: float
    unit: str
    source: str


class Estimated(Frozen):
    """Computed from something else, or from a constant in place of a counter; `source` says from what."""

    state: Literal["estimated"] = "estimated"
    value: float
    unit: str
    source: str


class Unavailable(Frozen):
    """Could not be had; `reason` is one line for the reader of the report."""

    state: Literal["unavailable"] = "unavailable"
    reason: str


Quantity = Annotated[Measured | Estimated | Unavailable, Field(discriminator="state")]
