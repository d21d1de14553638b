"""What an adapter does not support, and why: asked by whoever plans, before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from levelfield.adapters.adapter import Adapter, Literals, Setting

# What holds for every adapter, as `Adapter.limits`
LIMITS: tuple[dict[str, Any], ...] = (
    {"precision": "tf32", "device": ("cpu", "tpu"), "because": "TF32 exists on NVIDIA GPUs only"},
    {"device": "tpu", "replication": ("devices", "ranks"), "because": "levelfield shows a process one chip of a TPU"},
    {
        "track": "idiomatic",
        "replication": ("devices", "ranks"),
        "because": "several devices are compared on the matched track only",
    },
)


class Facts(NamedTuple):
    """What limits may speak of."""

    mode: str
    optimizer: str
    activation: str
    dropout: bool
    l2: bool
    kind: str
    outputs: int
    hidden: int  # layers
    device: str  # its kind
    precision: str
    compiler: bool  # that torch.compile needs on a CPU
    track: str
    replicas: int
    replication: str | None
    uneven: bool  # whether replicas would have unequal shares of a batch


def facts(setting: Setting, *, compiler: bool, partial: int = 0) -> dict[str, Any]:
    """`Facts` by name; `partial` samples are in the last batch of an epoch, where it is not whole."""
    sizes = (setting.recipe.batch_size, partial)
    return Facts(
        mode=setting.mode,
        optimizer=setting.recipe.optimizer,
        activation=setting.model.activation,
        dropout=setting.model.dropout > 0,
        l2=setting.model.l2 > 0,
        kind=setting.kind,
        outputs=setting.model.widths[-1],
        hidden=len(setting.model.widths) - 2,
        device=setting.kind_of_device,
        precision=setting.precision,
        compiler=compiler,
        track=setting.track,
        replicas=setting.replicas,
        replication=setting.replication,
        uneven=any(size % setting.replicas for size in sizes),
    )._asdict()


def refusal(adapter: Literals | type[Adapter], setting: Setting, *, compiler: bool, partial: int = 0) -> str | None:
    """Why an adapter does not support a setting, or None; `partial` as in `facts`."""
    if setting.track == "idiomatic" and not adapter.defaults:
        return "it does not state the defaults of its framework"
    reason = unsupported(adapter.limits, facts(setting, compiler=compiler, partial=partial))
    if reason is None and setting.replication is not None:
        if setting.mode in adapter.fast_modes and setting.mode not in adapter.modes:
            return "modes that a guide recommends are run on one device"
        if setting.replication not in adapter.replication:
            return f"it has no training on several {setting.replication}"
        if setting.recipe.batch_size < setting.replicas:
            return f"a batch of {setting.recipe.batch_size} cannot be split over {setting.replicas} replicas"
    return reason


def unsupported(limits: Sequence[dict[str, Any]], known: dict[str, Any]) -> str | None:
    """The reason why a setting is not supported by these facts of it, or None; limits that speak of others are left."""
    for limit in (*limits, *LIMITS):
        conditions = {key: value for key, value in limit.items() if key != "because"}
        if conditions.keys() <= known.keys() and all(
            known[key] in (value if isinstance(value, tuple) else (value,)) for key, value in conditions.items()
        ):
            return str(limit["because"])
    return None
