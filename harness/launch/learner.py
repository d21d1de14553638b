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
from pathlib import Path
from typing import TYPE_CHECKING

from levelfield.harness.launch import jobs
from levelfield.harness.launch.jobs import AnyJob, Job, LaunchJob

if TYPE_CHECKING:
    from levelfield.harness.launch.parents import Doing, Done

MOST = 20  # launches of one child: what a framework keeps of each, up to 10 MB in JAX, is given back with the process


class Learner:
    """The harness' side of a child that goes on."""

    def __init__(self, job: LaunchJob) -> None:
        """For a child that begins with `job`. Raises OSError where there is no room."""
        self.cell, self.made, self.paths = job.cell, 0, _pipes(job)
        for path in self.paths:
            os.mkfifo(path)
        # Opened for both, a pipe neither waits for the other end nor ends with it
        self.asked, self.said = (os.open(path, os.O_RDWR) for path in self.paths)
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
        os.write(self.asked, job.model_dump_json().encode() + b"\n")
        return self._done(self.doing)

    def close(self) -> None:
        """End the child, and remove what it was told by."""
        if self.doing is not None:
            self.doing.give_up()
        for pipe, path in zip((self.asked, self.said), self.paths, strict=True):
            os.close(pipe)
            path.unlink(missing_ok=True)

    def _done(self, doing: Doing) -> Done:
        self.made += 1
        done = doing.wait(self.said)
        if done is None:
            os.read(self.said, 1)
            return doing.so_far()
        return done


def told(job: AnyJob) -> Iterator[AnyJob]:
    """In the child: its job, and those that it is told of when that is done."""
    yield job
    if not job.lasts:
        return
    asked, done = _pipes(job)
    with asked.open(encoding="utf-8") as lines, done.open("wb", buffering=0) as said:
        gc.collect()
        gc.freeze()  # what was imported late, or is kept for good, is not looked through for each seed
        while True:
            gc.collect()  # TensorFlow counts the functions that are alive
            said.write(b".")
            if not (line := lines.readline()):
                return
            yield jobs.read(line)


def _pipes(job: Job) -> list[Path]:
    """Of the first one of a child."""
    return [job.result.with_suffix(end) for end in (".asked", ".done")]
