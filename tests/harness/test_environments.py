"""What another interpreter needs so that launches can be made under it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import packages_distributions

from levelfield.harness.plan.environments import WORKER
from levelfield.harness.system.paths import ROOT

ROOMS = ("launch.worker", "measure.loaded", "measure.peak", "measure.protocol", "measure.train_in_ranks")
CALLED = ("certify.examine", "plan.launches")  # by a worker, in the midst of a job


def test_a_worker_imports_no_package_that_its_interpreter_was_not_asked_for():
    names = [f"levelfield.harness.{room}" for room in (*ROOMS, *CALLED)]
    program = (
        "import sys\nbefore = set(sys.modules)\n"
        f"import {', '.join(names)}\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    owners = packages_distributions()
    foreign = {
        owner.lower().replace("_", "-")
        for name in set(done.stdout.split()) - set(sys.stdlib_module_names)
        for owner in owners.get(name, [])
    }
    of_pydantic = {"pydantic-core", "annotated-types", "typing-extensions", "typing-inspection"}
    assert foreign <= {*WORKER, *of_pydantic, "levelfield"}
