"""The work under pyperf: ``python sample_pyperf.py -o FILE``, which starts itself again for every process."""

import pyperf
from work import from_environment

if __name__ == "__main__":
    pyperf.Runner().bench_func("epoch", from_environment().epoch)
