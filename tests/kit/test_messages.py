"""The first words that a wrong adapter is told lead to its fault."""

from __future__ import annotations

import subprocess

import pytest

from levelfield.harness.cli import new_adapter

pytestmark = pytest.mark.frameworks

PREDICT = "return self.network.predict(x)"
GET_WEIGHTS = "return self.network.get_weights()"
BUILD = "self.network = NumpyManual(setting)"
# What of the skeleton is replaced, by what
FAULTS = {
    "transposed": (GET_WEIGHTS, "return [Layer(k.T, b) for k, b in self.network.get_weights()]"),
    "probabilities": (PREDICT, "z = np.exp(self.network.predict(x))\n        return z / z.sum(axis=1, keepdims=True)"),
    "global-draws": (PREDICT, f"np.random.random()\n        {PREDICT}"),
    "renamed": ('name = "renamed"', 'name = "another"'),
}


@pytest.fixture(scope="module")
def told(overlay_maker, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """All of them certified."""
    folder = tmp_path_factory.mktemp("messages")
    overlay = overlay_maker(folder / "environment")
    for name, (old, new) in FAULTS.items():
        source = new_adapter.as_package(name, folder / name)[0].read_text()
        assert old in source
        source = source.replace(old, new)
        if name == "global-draws":
            source = source.replace(
                BUILD, f"{BUILD}\n        np.random.seed(setting.seed)\n        self.network.random = np.random"
            )
        class_name = "".join(word.capitalize() for word in name.split("-"))
        overlay.install(name, name.replace("-", "_"), source, class_name)
    names = ("transposed", "probabilities", "global-draws")
    return overlay.run("-m", "levelfield", "certify", *names, "--quick", cwd=folder)


def failures(told: subprocess.CompletedProcess[str], name: str) -> list[str]:
    """The lines below the adapter's own, up to the next adapter's."""
    lines = told.stdout.splitlines()
    (start,) = (i for i, line in enumerate(lines) if line.startswith(f"{name} (eager): NOT certified"))
    after = lines[start + 1 :]
    return after[: next((i for i, line in enumerate(after) if not line.startswith("    ")), len(after))]


def test_transposed_kernels_are_told_by_the_shapes_that_came_and_those_that_were_due(told) -> None:
    lines = failures(told, "transposed")
    for line in lines[:2]:
        assert line.startswith("    shapes and types"), told.stdout
        assert ", not (" in line
        assert "(they are transposed)" in line
    assert not [line for line in lines if "copies" in line]


def test_probabilities_for_logits_are_told_as_such(told) -> None:
    lines = failures(told, "probabilities")
    assert lines[0].startswith("    logits, ")
    assert "each row of what predict returns sums to 1: these are probabilities, not logits" in lines[0]


def test_draws_from_a_global_generator_are_hinted_at(told) -> None:
    lines = failures(told, "global-draws")
    assert [line for line in lines if "predict inside epoch_end changes what is learnt after it" in line], told.stdout
    assert [line for line in lines if "does something draw from a generator that others move?" in line]


def test_a_name_that_is_not_that_of_the_entry_point_is_told(told) -> None:
    assert "warning: adapter 'another': its entry point is called 'renamed'" in told.stderr
