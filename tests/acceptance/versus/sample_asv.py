"""The work under asv: one process of one round, by asv's own timer; prints its samples (seconds an epoch)."""

import json

from asv_runner.benchmarks.time import TimeBenchmark
from work import from_environment

if __name__ == "__main__":
    epoch = from_environment().epoch
    benchmark = TimeBenchmark("time_epoch", epoch, [epoch])
    benchmark.do_setup()
    found = benchmark.run()
    print(json.dumps([seconds / found["number"] for seconds in found["samples"]]))
