"""Proof that a timed launch did the work that was certified: what was seen of it against the reference's run.

A certificate proves one training and the clock times another, so each timed launch is held, after its clock has
stopped and outside its process, against what its seed must give (`reference_runs`): the weights after epochs that
nobody knows before, how the last of them follow from each other, what `predict` makes of the final ones, and
whether two clocks tell the same seconds. A launch that fails is void, with its reason; it is not repeated, since
nothing disturbed it.

The reference may take a small share of what the launch took, so that it follows fast launches for their first epochs
only; the launches of a block go on with one and the same. Where anything looks wrong it is taken as far as that,
whatever it costs, and so are its doubles in the launch's own precision, which tell how far right runs may be from it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from levelfield.adapters.adapter import Setting
from levelfield.harness.certify import reference_runs
from levelfield.harness.certify.observe import COARSE
from levelfield.harness.certify.reference_runs import Trajectory
from levelfield.harness.measure.looks import Seen, drawn, probes
from levelfield.harness.plan import launches
from levelfield.harness.records.cell import Cell
from levelfield.harness.system import clocks
from levelfield.harness.system.clocks import clock
from levelfield.tasks import score
from levelfield.tasks.task import Task
from levelfield.tasks.variant import vary

# Of what a launch took, for looking at it and for the reference; what these need at least may be a little more
SHARE = 0.03
LEAST = 0.02  # seconds, however short the launch was
SUSPICION = 60.0  # seconds at most to follow up what looks wrong
HELD = 1 << 26  # bytes of a launch's weights that are kept, to hold others of its block against them
LOSSES = 4  # looks at most at which a loss is computed

# Share of the way from the initial weights by which right runs may be off: before a ReLU has flipped, and afterwards
SHORT = 500  # steps
NEAR = {"float32": (1e-3, 2.5e-3), "float64": (1e-3, 2.5e-3), "tf32": (2e-2, 5e-2), "bfloat16": (0.1, 0.2)}
ADAM = 2.0  # times as far: it divides by small gradients
SAFETY = 4.0  # times the doubles' own distance, where that is more
UNFORESEEABLE = 0.05  # beyond this distance of a double from the reference only the loss is compared
STEP = 0.3  # of an epoch's way, see `reference_runs.step_off`; what is beyond is followed up, and void beyond FAR alone
FAR = 0.6
BAND, LOW = 2.0, 0.02  # factor between losses, and what counts as nothing
OWN_BAND = 1.6  # on the idiomatic track: times the highest loss of the untimed launches after as many epochs
OTHER_BAND = 3.0  # without those: times the reference's loss after a third of the epochs; with dropout after as many
WAITED, LEAST_WAIT = 0.25, 2e-3  # of the timed seconds before a look, and seconds in all if each is a usual one


@dataclass(frozen=True)
class Proof:
    """`unproved`: why the launch is void, or None; `checked`: what was compared → how far, or why not; `seconds`."""

    unproved: str | None
    checked: dict[str, str]
    seconds: float


@dataclass
class Prover:
    """Judges the timed launches that one host makes."""

    tasks: Mapping[str, Task]
    salt: int = field(default_factory=lambda: secrets.randbits(48))
    _runs: dict[object, Trajectory] = field(default_factory=dict)
    _learnt: dict[object, list[dict[int, float]]] = field(default_factory=dict)

    def learnt(self, cell: Cell, result: Mapping[str, Any]) -> None:
        """Remember an untimed launch of the idiomatic track: its training loss by epoch."""
        if cell.track == "idiomatic":
            losses = {scores["epoch"]: scores["train"]["loss"] for scores in result["epochs"]}
            self._learnt.setdefault(_untimed(cell), []).append(losses)

    def prove(self, cell: Cell, seed: int, result: Mapping[str, Any], seen: Path, wall: float) -> Proof:
        """Of a launch that took `wall` seconds: `result` holds its measured fields, `seen` what `Seen.save` wrote."""
        begin = clock()
        until = begin + max(LEAST, SHARE * wall) - result["phases"].get("proof", 0.0)
        checked: dict[str, str] = {}
        task = vary(self.tasks[cell.task], cell.variant, seed)
        case = _Case(launches.setting(cell, task, seed), task, Seen.load(seen), checked)
        reason = next(filter(None, self._reasons(case, cell, result, wall, until)), None)
        return Proof(reason, checked, clock() - begin)

    def _reasons(
        self, case: _Case, cell: Cell, result: Mapping[str, Any], wall: float, until: float
    ) -> Iterator[str | None]:
        yield clock_changed(case.seen, result, wall)
        yield waited(case.seen)
        yield predicted(case)
        yield stopped(case)
        if cell.track == "idiomatic":
            yield self._idiomatic(case, cell, until)
        elif cell.model.dropout and cell.model.hidden:
            case.checked["weights"] = "not checked: dropout, whose masks are each framework's own"
            yield self._band(case, cell, until, 1)
        else:
            yield self._followed(case, cell, until)

    def _run(self, case: _Case, cell: Cell) -> Trajectory:
        """The reference's run on this workload and seed, as far as it has come."""
        same = replace(cell.recipe, name="", epochs=1, early_stopping=None)
        key = (cell.task, replace(cell.model, name=""), same, cell.variant, case.setting.seed)
        if key not in self._runs:
            # Those of other seeds belong to blocks that are over
            self._runs = {known: run for known, run in self._runs.items() if run.setting.seed == case.setting.seed}
            self._runs[key] = Trajectory(case.setting, case.task)
        return self._runs[key]

    def _looks(self, case: _Case) -> set[int]:
        found = {epoch for first, last in drawn(case.setting.seed, self.salt) for epoch in range(first, last + 1)}
        return found | set(case.seen.epochs.tolist())

    def _followed(self, case: _Case, cell: Cell, until: float) -> str | None:
        """The matched track: the weights are the reference's, as far as it comes; then each epoch follows the last."""
        run, looks = self._run(case, cell), self._looks(case)
        epochs = case.seen.epochs.tolist()

        def left() -> float:
            return until - clock()

        run.advance(epochs[min(1, len(epochs) - 1)], looks, left())
        if (epoch := case.differs(run)) is not None:  # one of two launches is wrong: the reference says which
            run.advance(epoch, looks, SUSPICION)
        case.checked["late steps"] = "not checked: no time"
        if (window := case.window(after=run.epoch)) is not None:
            if 5 * run.epoch_seconds < left():
                off = reference_runs.step_off(case.setting, case.task, *window)
                case.checked["late steps"] = (
                    "not checked: the optimizer's state is not told" if off is None else f"{off:.2g}"
                )
                if off is not None and not off <= STEP:
                    last = window[1] + 2
                    if not run.advance(last, looks, SUSPICION):
                        wrong = f"epoch {last} does not follow from the epoch before it: off by {_percent(off)}"
                        return None if off <= FAR else f"{wrong} of its way"
        else:
            case.checked["late steps"] = "not needed: the weights were followed to the end"
        run.advance(epochs[-1], looks, left())
        if (reason := self._compare(case, run)) is None:
            self._remember(case, run)
        return reason

    def _compare(self, case: _Case, run: Trajectory) -> str | None:
        """The weights of every look that the reference has reached."""
        places = [i for i, epoch in enumerate(case.seen.epochs.tolist()) if epoch in run.kept]
        if not places or not run.finite:
            why = "has no finite weights" if not run.finite else "did not come so far in its time"
            case.checked["weights"] = f"not checked: the reference {why}"
            return None
        worst = 0.0
        for i in places:
            epoch = int(case.seen.epochs[i])
            off = case.distance(run, epoch, case.seen.weights[i])
            worst = max(worst, off) if off == off else inf
            if not off <= near(case.setting, epoch * run.order.steps):
                reason = self._follow_up(case, run, i, off)
                if reason is not None:
                    return reason
        told = ", ".join(str(int(case.seen.epochs[i])) for i in places)
        case.checked["weights"] = f"off by {worst:.1e} of their way at most, after epochs {told}"
        return None

    def _remember(self, case: _Case, run: Trajectory) -> None:
        """What the weights of a launch that was proved were where the reference did not come: for those after it."""
        found = case.beyond(run)
        if shared := [epoch for epoch in found if epoch in run.others]:
            case.checked["weights"] += f"; as in another launch after epochs {', '.join(map(str, shared))}"
        if case.seen.weights.nbytes <= HELD:
            run.others |= found

    def _follow_up(self, case: _Case, run: Trajectory, place: int, off: float) -> str | None:
        """Why these weights are wrong, or None where right runs in this precision are as far from the reference."""
        epoch = int(case.seen.epochs[place])
        until, furthest = clock() + SUSPICION, 0.0
        for double in reference_runs.doubles(case.setting, case.task):
            if not double.advance(epoch, run.kept, until - clock()):
                if double.finite and furthest:
                    break  # no time: the others must do
                furthest = inf
                continue
            ends = [case.distance(run, e, double.kept[e]) for e in double.kept if e in run.kept]
            furthest = max(furthest, *ends)
            if off <= SAFETY * furthest and furthest <= UNFORESEEABLE:
                return None
        if furthest > UNFORESEEABLE:
            due, got = (
                reference_runs.loss(case.setting, case.task, w) for w in (run.kept[epoch], case.seen.weights[place])
            )
            case.checked["loss"] = f"{got:.3g} after epoch {epoch}, the reference's is {due:.3g}"
            if got <= BAND * due + LOW and due <= BAND * got + LOW:
                return None
        return (
            f"the weights after epoch {epoch} are not those that this seed gives: off by {_percent(off)} of their way"
        )

    def _idiomatic(self, case: _Case, cell: Cell, until: float) -> str | None:
        """The loss is in the band of the untimed launches of this cell, or else in a wide one around the reference."""
        case.checked["weights"] = "not checked: they and the order are the framework's own"
        known = self._learnt.get(_untimed(cell))
        if not known:
            return self._band(case, cell, until, 3)
        highest_by = {
            epoch: max(losses[epoch] for losses in known if epoch in losses)
            for epoch in case.seen.epochs.tolist()
            if epoch >= 3 and any(epoch in losses for losses in known)
        }
        compared = list(highest_by.items())[-LOSSES:]
        for epoch, highest in compared:
            got = case.loss(epoch)
            if not got <= OWN_BAND * highest + LOW:
                return f"the training loss after epoch {epoch} is {got:.3g}, in untimed launches {highest:.3g} at most"
        case.checked["loss"] = f"in the band of {len(known)} untimed launches after {len(compared)} epochs"
        return None if compared else self._band(case, cell, until, 3)

    def _band(self, case: _Case, cell: Cell, until: float, slower: int) -> str | None:
        """The loss is at most OTHER_BAND times the reference's after a `slower`-th of the epochs."""
        run = self._run(case, cell)
        epochs = case.seen.epochs.tolist()
        due = {epoch // slower: epoch for epoch in epochs if epoch >= slower}
        run.advance(max(due, default=0), set(due), until - clock())
        compared = [(early, epoch) for early, epoch in due.items() if early in run.kept and early][-LOSSES:]
        for early, epoch in compared:
            highest = reference_runs.loss(case.setting, case.task, run.kept[early])
            got = case.loss(epoch)
            if np.isfinite(highest) and not got <= OTHER_BAND * highest + LOW:
                after = f" after epoch {early}" if early != epoch else ""
                return f"the training loss after epoch {epoch} is {got:.3g}, the reference's{after} is {highest:.3g}"
        case.checked["loss"] = f"in a band around the reference's after {len(compared)} epochs"
        return None


@dataclass(frozen=True)
class _Case:
    """One launch under proof."""

    setting: Setting
    task: Task
    seen: Seen
    checked: dict[str, str]

    def distance(self, run: Trajectory, epoch: int, weights: np.ndarray) -> float:
        """From the reference, as a share of its way from the initial weights."""
        right = run.kept[epoch]
        way = float(np.linalg.norm(right - run.kept[0]))
        return float(np.linalg.norm(weights - right)) / way if way else 0.0

    def loss(self, epoch: int) -> float:
        """Of the weights after an epoch that was looked at."""
        weights = self.seen.weights[self.seen.epochs.tolist().index(epoch)]
        return reference_runs.loss(self.setting, self.task, weights)

    def beyond(self, run: Trajectory) -> dict[int, np.ndarray]:
        """The weights after the epochs that were looked at and that the reference has not reached."""
        seen = zip(self.seen.epochs.tolist(), self.seen.weights, strict=True)
        return {epoch: weights for epoch, weights in seen if epoch > run.epoch}

    def differs(self, run: Trajectory) -> int | None:
        """The first such epoch after which another launch of this workload and seed had other weights."""
        for epoch, weights in self.beyond(run).items():
            other = run.others.get(epoch)
            if other is not None:
                way = float(np.linalg.norm(other - run.kept[0]))
                if not np.linalg.norm(weights - other) <= 2 * near(self.setting, epoch * run.order.steps) * way:
                    return epoch
        return None

    def window(self, after: int) -> tuple[Sequence[np.ndarray], int] | None:
        """The last three epochs in a row that were looked at, if they end beyond `after`; with the first's number."""
        epochs = self.seen.epochs.tolist()
        for i in range(len(epochs) - 3, -1, -1):
            if epochs[i + 2] == epochs[i] + 2 and epochs[i + 2] > after:
                return list(self.seen.weights[i : i + 3]), epochs[i]
        return None


def near(setting: Setting, steps: int) -> float:
    """Share of the way by which right weights may be off after so many steps, before anything is followed up."""
    own = NEAR[setting.precision][steps > SHORT]
    return own * ADAM if steps > SHORT and setting.recipe.optimizer.startswith("adam") else own


def clock_changed(seen: Seen, result: Mapping[str, Any], wall: float) -> str | None:
    """Why the times cannot be right: a clock was exchanged, two of them disagree, or more passed than there was."""
    if result.get("clock_changed"):
        return str(result["clock_changed"])
    told = {**result["phases"], "an epoch": min(result["epoch_seconds"], default=0.0)}
    for name, seconds in told.items():
        if not seconds >= 0:
            return f"the clock was changed: {name.replace('_', ' ')} took {seconds:.4g} s"
    inside = sum(v for k, v in result["phases"].items() if k != "import") + sum(result["epoch_seconds"])
    if inside > 1.01 * wall + 0.05:
        return f"the clock was changed: it told {inside:.4g} s in a launch of {wall:.4g} s"
    return clocks.disagreement(seen.told.tolist(), seen.least.tolist(), seen.most.tolist())


def waited(seen: Seen) -> str | None:
    """Whether work was left after `synchronize`, so that reading the weights had to wait for it."""
    if (looks := len(seen.waited)) < 3:
        return None
    share = float(np.median(seen.waited / np.maximum(seen.since, 1e-9)))
    if share <= WAITED or looks * np.median(seen.waited) <= LEAST_WAIT:  # a single look may wait for another process
        return None
    return f"work was left after synchronize: reading the weights waited for {_percent(share)} of the time before it"


def predicted(case: _Case) -> str | None:
    """Whether the weights at the end are final, and `predict` answers for them."""
    seen = case.seen
    if not np.array_equal(seen.weights[-1], seen.final, equal_nan=True):
        return "the weights still changed after the last epoch had ended"
    if not np.array_equal(seen.final, seen.again, equal_nan=True):
        return "predict changed the weights: work was put off until then"
    right = reference_runs.logits(case.setting, seen.final, probes(case.task.train.x))
    got = seen.logits
    if case.task.kind == "classification":
        right, got = score.log_softmax(right), score.log_softmax(got)
    size = max(1.0, float(np.abs(right).max(initial=0.0)))
    off = float(np.abs(right - got).max(initial=0.0))
    case.checked["predict"] = f"off by {off:.1e}"
    if off <= COARSE[case.setting.precision] * size:
        return None
    return f"predict does not answer for the final weights: off by {off:.2g}"


def stopped(case: _Case) -> str | None:
    """Whether the weights stood still for an epoch in which the reference moves them."""
    epochs, weights = case.seen.epochs.tolist(), case.seen.weights
    for i in range(len(epochs) - 1, 0, -1):
        if np.array_equal(weights[i], weights[i - 1]):
            setting = replace(case.setting, recipe=replace(case.setting.recipe, optimizer="sgd"))
            way = reference_runs.sgd_way(setting, case.task, weights[i])
            # A step of SGD from here would show in every digit that the weights have, but for the last two
            if way <= 4 * float(np.finfo(weights.dtype).eps):
                return None
            return f"learning has stopped: the weights are the same after epoch {epochs[i]} as they were before"
    return None


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if np.isfinite(share) else "all"


def _untimed(cell: Cell) -> object:
    """What a timed cell and an untimed one share where they train the same."""
    recipe = replace(cell.recipe, name="", epochs=1, early_stopping=None)
    return cell.model_copy(update={"kind": "learning", "threads": 1, "recipe": recipe}).model_dump_json()
