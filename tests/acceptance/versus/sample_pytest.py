"""The work under pytest-benchmark: ``pytest sample_pytest.py --benchmark-json FILE``."""

from work import from_environment


def test_epoch(benchmark):
    benchmark(from_environment().epoch)
