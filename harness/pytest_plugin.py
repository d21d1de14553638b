"""The contract of an adapter as a test, for anyone's adapter that `levelfield list` shows. In one line:

    test_contract = contract("my-adapter")

It certifies the adapter, mode by mode, in a process of its own, and names each check that failed.
``pytest --levelfield-quick`` is content with the short form. Every pytest in the same environment loads this module
(entry point ``pytest11``), so what is slow to import is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from levelfield.harness.records.certificate import Certificate

Certify = Callable[[str, str], "Certificate"]


def contract(adapter: str) -> Callable[[Certify, str], None]:
    """A test function for the adapter of this name, with one case for each of its modes."""
    from levelfield.adapters import registry

    info = registry.find().adapters.get(adapter)

    @pytest.mark.parametrize("mode", info.every_mode if info else ["not found"])
    def test_contract(levelfield_certify: Certify, mode: str) -> None:
        levelfield_certify(adapter, mode)

    return test_contract


@pytest.fixture(scope="session")
def levelfield_certify(pytestconfig: pytest.Config) -> Iterator[Certify]:
    """A function of an adapter's name and mode: its certificate, or the test fails, or skips where it cannot run."""
    from levelfield.adapters import registry
    from levelfield.harness.cli.certify import failures, unsupported_mode
    from levelfield.harness.launch.local import LocalHost
    from levelfield.harness.plan.launches import CertificateSubject
    from levelfield.harness.run.certify_first import TIME_LIMIT
    from levelfield.harness.system import machine

    found = registry.find()
    quick = pytestconfig.getoption("--levelfield-quick")

    with LocalHost(found.adapters, {}, machine.describe(True), machine.cores(), TIME_LIMIT) as launcher:

        def certify(adapter: str, mode: str) -> Certificate:
            info = found.adapters.get(adapter)
            if info is None:
                reasons = [f"there is no adapter {adapter!r} (levelfield list adapters)", *found.problems]
                pytest.fail("\n".join(reasons), pytrace=False)
            if (reason := info.missing() or unsupported_mode(info, mode)) is not None:
                pytest.skip(reason)
            certificate = launcher.certify(CertificateSubject(adapter, mode, "cpu"), quick)
            if not certificate.passed:
                wrong = failures(certificate, verbose=True) or ["    nothing could be checked"]
                title = f"{adapter} ({mode}) does not compute the specification"
                pytest.fail("\n".join([title, *wrong]), pytrace=False)
            return certificate

        yield certify


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("levelfield")
    group.addoption("--levelfield-quick", action="store_true", help="certify adapters by the short form")
