"""The second page of the contract: what an adapter may state or do besides, each for one feature only.

`adapters.adapter.Adapter` has all of it, with what is said here as its default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

if TYPE_CHECKING:
    from levelfield.adapters.adapter import Watch
    from levelfield.adapters.choices import Feed, Replication
    from levelfield.tasks.recipe import BatchOrder
    from levelfield.tasks.task import Split


class Idiomatic:
    """For the idiomatic track: what a user gets who follows the documentation.

    defaults   what the framework does where nobody tells it otherwise, name → value: what the idiomatic track trains
               with. Without them, that track is unsupported
    stopping   how the framework's own early stopping behaves by default: ``patience`` (epochs), ``min_delta`` (of the
               validation loss), ``restore_best``; None where it has none
    documented_feed  the feed of the loader that its documentation uses, on the idiomatic track
    """

    defaults: ClassVar[dict[str, str]] = {}
    stopping: ClassVar[dict[str, Any] | None] = None
    documented_feed: ClassVar[Feed] = "loader"


class FastMode(TypedDict):
    """What it does, the page of the framework's documentation that recommends it, and why it is not its default."""

    does: str
    page: str
    why_not_default: str


class Recommended:
    """For ways to be faster that the framework's own documentation recommends.

    fast_modes  mode → what is said of it, see `FastMode`. Those that are not in `modes` are run where they are asked
                for by name, or by ``modes = "guides"``, and on one device only
    fast_class  ``module:Class`` of the class that has the latter, where it is another one: it is then built in place
                of this one
    """

    fast_modes: ClassVar[dict[str, FastMode]] = {}
    fast_class: ClassVar[str | None] = None


class Several:
    """For data-parallel training on several devices.

    replication  the ways in which it does that, see `placement`; without one, it does not
    replicated   ``module:Class`` of the class that does it, where it is another one: that is then built in place of
                 this one when `setting.replicas` is more than 1
    """

    replication: ClassVar[tuple[Replication, ...]] = ()
    replicated: ClassVar[str | None] = None

    def placement(self) -> dict[str, int]:
        """Where the last whole batch of `fit` was computed: device → samples of it, asked of the framework.

        Only with a `replication`, and asked only where `setting.replicas` is more than 1: then batches and
        their order are those of one device, each batch is split over the replicas, and the gradients are averaged over
        its samples. Of ``devices``, all; of ``ranks``, what this process computed. An answer that is not read from
        where the batch really was makes the check worthless.
        """
        raise NotImplementedError(f"{type(self).__name__} does not tell where it computes")


class Placed:
    """For ``levelfield explain``, of an adapter whose `feed` is ``loader``: what its step takes without the loader."""

    def fit_placed(self, train: Split, order: BatchOrder, watch: Watch) -> None:
        """As `fit` in the given order, by the framework's own step, from batches that are on the device already."""
        raise NotImplementedError(f"{type(self).__name__} has no step without its loader")


class OwnRuntime:
    """For a framework that levelfield has no runtime for.

    runtime_class  ``module:Class`` of its `adapters.runtime.Runtime`; by default that of `backend` or `framework`,
                   or, for frameworks that levelfield does not know, one that waits for nothing and counts nothing
    """

    runtime_class: ClassVar[str | None] = None
