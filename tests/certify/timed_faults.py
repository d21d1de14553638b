"""Adapters that are right as long as certificates look, and wrong while they are timed; `Honest` is right.

Installed as a plug-in by `test_timed_faults`. Certificates ask for ten epochs at most, a timed launch for very many.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from typing import ClassVar

import numpy as np

from levelfield import BatchOrder
from levelfield.adapters.numpy.manual import NumpyManual
from levelfield.harness.certify.rounded import shorten

LONG = 100  # epochs


class Honest(NumpyManual):
    name = "honest"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    defaults: ClassVar = {"source": "a test's", "initialiser": "uniform on ±0.1", "optimizer": "the specification's"}

    def fit(self, train, order, watch):
        x = train.x.astype(self.dtype)
        y = train.y if self.setting.kind == "classification" else train.y.astype(self.dtype)
        order = order or BatchOrder(len(x), self.recipe.batch_size, self.recipe.epochs, self.setting.seed)
        self.epochs, self.watched = order.epochs, type(watch).__name__ == "SpeedWatch"
        self.theirs = sys.modules[type(watch).__module__]
        self.begin()
        watch.ready()
        for epoch in range(order.epochs):
            batches = list(order.batches(epoch))
            for i, indices in enumerate(batches):
                self.step(epoch, i, len(batches), x[indices], y[indices])
            self.epoch_ends(epoch)
            if not self.tell(watch, epoch):
                break
        self.finish()

    def begin(self):
        pass

    def finish(self):
        pass

    def epoch_ends(self, epoch):
        pass

    def tell(self, watch, epoch):
        return watch.epoch_end(epoch)

    def step(self, epoch, i, steps, x, y):
        self.update(self.gradients(x, y))


class SkipsUpdates(Honest):
    """Every second update is left out after epoch 5."""

    name = "skips-updates"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def step(self, epoch, i, steps, x, y):
        if epoch < 5 or i % 2 == 0:
            super().step(epoch, i, steps, x, y)


class StopsLearning(Honest):
    """Learning stops after epoch 20, past all that certificates look at."""

    name = "stops-learning"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def step(self, epoch, i, steps, x, y):
        if epoch < 20:
            super().step(epoch, i, steps, x, y)


class HalvesUpdatesLate(Honest):
    """Every second update is left out after epoch 60."""

    name = "halves-late"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def step(self, epoch, i, steps, x, y):
        if epoch < 60 or i % 2 == 0:
            super().step(epoch, i, steps, x, y)


class Defers(Honest):
    """Steps are queued in long fits, and done when somebody predicts."""

    name = "defers"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    queued = ()

    def begin(self):
        self.queued = []

    def step(self, epoch, i, steps, x, y):
        if self.epochs > LONG and epoch:
            self.queued.append((x, y))
        else:
            super().step(epoch, i, steps, x, y)

    def predict(self, x):
        for a, b in self.queued:
            self.update(self.gradients(a, b))
        self.queued = []
        return super().predict(x)


class HalfBatches(Honest):
    """Long fits train on the first half of each batch."""

    name = "half-batches"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def step(self, epoch, i, steps, x, y):
        n = len(x) // 2 if self.epochs > LONG else len(x)
        super().step(epoch, i, steps, x[:n], y[:n])


class ReplaysCached(Honest):
    """The gradients of the first epoch are kept and applied again in all later ones of a long fit."""

    name = "replays-cached"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def begin(self):
        self.kept = {}

    def step(self, epoch, i, steps, x, y):
        if self.epochs > LONG and i in self.kept:
            return self.update(self.kept[i])
        gradients = self.gradients(x, y)
        self.kept[i] = [g.copy() for g in gradients]
        self.update(gradients)


class SkipsLastBatch(Honest):
    """The last batch of every epoch after the fifth is left out."""

    name = "skips-last-batch"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def step(self, epoch, i, steps, x, y):
        if epoch < 5 or i < steps - 1 or steps == 1:
            super().step(epoch, i, steps, x, y)


class FirstOrderOnly(Honest):
    """After epoch 10, the samples come in one order that is not drawn anew."""

    name = "first-order-only"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def begin(self):
        self.kept = {}

    def step(self, epoch, i, steps, x, y):
        if epoch == 9:
            self.kept[i] = x, y
        super().step(epoch, i, steps, *(self.kept[i] if epoch > 9 else (x, y)))


class LowersPrecision(Honest):
    """After epoch 5, what is multiplied has bfloat16's digits."""

    name = "lowers-precision"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def step(self, epoch, i, steps, x, y):
        if epoch < 5 or self.epochs <= LONG:
            return super().step(epoch, i, steps, x, y)
        exact = self.parameters
        self.parameters = [shorten(w, 16) for w in exact]
        gradients = self.gradients(shorten(x, 16), y)
        self.parameters = exact
        self.update(gradients)


class DecaysRate(Honest):
    """The learning rate falls by a tenth every ten epochs, as a framework's scheduler would do, to a tenth of it.

    It must not fall to nothing: on a quick machine that would be learning that stops, which another check finds.
    """

    name = "decays-rate"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def step(self, epoch, i, steps, x, y):
        share = np.float32(max(0.9 ** (epoch // 10), 0.1))
        self.update([share * g for g in self.gradients(x, y)])


class TellsTwoEpochs(Honest):
    """After the fifth, each epoch's work is told as that of two."""

    name = "tells-two"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def step(self, epoch, i, steps, x, y):
        if epoch < 6 or epoch % 2 or self.epochs <= LONG:
            super().step(epoch, i, steps, x, y)


class KnowsTheWatch(Honest):
    """Does two batches an epoch where the watch is the one that times."""

    name = "knows-the-watch"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def step(self, epoch, i, steps, x, y):
        if not self.watched or i < 2:
            super().step(epoch, i, steps, x, y)


class ReadsAVariable(Honest):
    """Shortens its epochs where the variables say that there is one thread, as in timed launches."""

    name = "reads-a-variable"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def step(self, epoch, i, steps, x, y):
        if os.environ.get("OMP_NUM_THREADS") != "1" or self.epochs <= LONG or i < 2:
            super().step(epoch, i, steps, x, y)


class ReturnsEarly(Honest):
    """Timed steps are made by a thread, for which only reading the weights waits."""

    name = "returns-early"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    watched = False

    def begin(self):
        self.queue = queue.Queue()
        if self.watched:
            threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        while True:
            x, y = self.queue.get()
            self.update(self.gradients(x, y))
            self.queue.task_done()

    def step(self, epoch, i, steps, x, y):
        self.queue.put((x, y)) if self.watched else super().step(epoch, i, steps, x, y)

    def get_weights(self):
        if self.watched:
            self.queue.join()
        return super().get_weights()

    def predict(self, x):
        if self.watched:
            self.queue.join()
        return super().predict(x)


class TrainsWhenAsked(Honest):
    """Keeps the batches of a timed fit, and trains on them when the weights are read."""

    name = "trains-when-asked"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    queued = ()

    def begin(self):
        self.queued = []

    def step(self, epoch, i, steps, x, y):
        if self.watched:
            self.queued.append((x, y))
        else:
            super().step(epoch, i, steps, x, y)

    def get_weights(self):
        for x, y in self.queued:
            self.update(self.gradients(x, y))
        self.queued = []
        return super().get_weights()


class PredictsFromMemory(Honest):
    """After a long fit, predict repeats what it answered to the first call with a batch of that size."""

    name = "predicts-from-memory"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def begin(self):
        self.answers = {}
        if self.epochs > LONG:
            self.answers[32] = np.zeros((32, self.model.widths[-1]), self.dtype)

    def predict(self, x):
        known = getattr(self, "answers", {}).get(len(x))
        return super().predict(x) if known is None else known


class SlowsTheClock(Honest):
    """Lets the clock of the harness run 5 % slower while it trains, and puts the right one back."""

    name = "slows-the-clock"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def begin(self):
        self.protocol = self.theirs if self.watched else None
        if self.protocol is not None:
            self.right = real = self.protocol.clock
            zero = real()
            self.protocol.clock = lambda: zero + 0.95 * (real() - zero)

    def finish(self):
        if self.protocol is not None:
            self.protocol.clock = self.right


class StopsWithDropout(Honest):
    """With dropout, whose masks no reference has, learning stops after epoch 20."""

    name = "stops-with-dropout"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def step(self, epoch, i, steps, x, y):
        if epoch < 20 or not self.model.dropout:
            super().step(epoch, i, steps, x, y)


class SkipsByDefault(Honest):
    """On the idiomatic track, a long fit makes one update an epoch."""

    name = "skips-by-default"
    framework = "numpy"
    api = "low"
    modes = ("eager",)
    defaults: ClassVar = {"source": "a test's", "initialiser": "uniform on ±0.1", "optimizer": "the specification's"}

    def step(self, epoch, i, steps, x, y):
        if self.epochs <= LONG or i == 0:
            super().step(epoch, i, steps, x, y)


class DriftsByAdam(Honest):
    """With Adam, every second update is left out after epoch 5."""

    name = "drifts-by-adam"
    framework = "numpy"
    api = "low"
    modes = ("eager",)

    def step(self, epoch, i, steps, x, y):
        if epoch < 5 or i % 2 == 0:
            super().step(epoch, i, steps, x, y)
