"""A learner: a child that makes learning launches of one cell one after the other, a seed each.

What a framework imports late, places and keeps of its compiled code serves all of them, where a process for each seed
would begin anew. The figures are those of a process for each seed; a launch that fails in a child that has made others
is made again in a fresh one, so that no failure is another seed's either.

Two named pipes lead to the child: on one it is told of its next launch, on the other it says that one is done.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from levelfield.harness.launch import jobs
from levelfield.harness.launch.jobs import AnyJob, Job, LaunchJob
from levelfield.harness.measure.turns import Line, pipes

if TYPE_CHECKING:
    from levelfield.harness.launch.parents import Doing, Done

MOST = 20  # launches of one child: what a framework keeps of each, up to 10 MB in JAX, is given back with the process


class Learner:
    """The harness' side of a child that goes on."""

    def __init__(self, job: LaunchJob) -> None:
        """For a child that begins with `job`. Raises OSError where there is no room."""
        self.cell, self.made, self.line = job.cell, 0, Line.make(job.result)
        self.doing: Doing | None = None

    def begin(self, doing: Doing) -> Done:
        """What its first job, under way, comes to."""
        self.doing = doing
        return self._done(doing)

    def takes(self, job: Job) -> bool:
        """Whether `job` is another seed of the same cell, and no other child is due."""
        return isinstance(job, LaunchJob) and job.lasts and job.cell == self.cell and self.made < MOST

    def go_on(self, job: Job) -> Done:
        """What another one comes to; a failed one ends the child."""
        assert self.doing is not None
        self.doing.go_on(job)
        os.write(self.line.told, job.model_dump_json().encode() + b"\n")
        return self._done(self.doing)

    def close(self) -> None:
        """End the child, and remove what it was told by."""
        if self.doing is not None:
            self.doing.give_up()
        self.line.remove()

    def _done(self, doing: Doing) -> Done:
        self.made += 1
        done = doing.wait(self.line.over)
        if done is None:
            os.read(self.line.over, 1)
            return doing.so_far()
        return done


def told(job: AnyJob) -> Iterator[AnyJob]:
    """In the child: its job, and those that it is told of when that is done."""
    yield job
    if not job.lasts:
        return
    asked, over = pipes(job.result)
    with asked.open(encoding="utf-8") as lines, over.open("wb", buffering=0) as said:
        gc.collect()
        gc.freeze()  # what was imported late, or is kept for good, is not looked through for each seed
        while True:
            gc.collect()  # TensorFlow counts the functions that are alive
            said.write(b".")
            if not (line := lines.readline()):
                return
            yield jobs.read(line)
