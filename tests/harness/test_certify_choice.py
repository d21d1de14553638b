"""Which subjects `levelfield certify` chooses, and what it says of the rest."""

from __future__ import annotations

import pytest

from levelfield.adapters.registry import Registry, find
from levelfield.harness.cli.arguments import parse
from levelfield.harness.cli.certify import check_names, choose
from levelfield.harness.plan.environments import DEFAULT
from levelfield.tasks.errors import UserError

NUMPY = find().adapters["numpy-manual"]
ADAPTERS = {
    "numpy-manual": NUMPY,
    "two-modes": NUMPY.but(name="two-modes", modes=("eager", "other"), limits=()),
    "absent": NUMPY.but(name="absent", packages=("no-such-distribution",)),
}


def chosen(
    *words: str, without: dict[tuple[str, str, str], str] | None = None
) -> tuple[list[tuple[str, str]], list[str]]:
    wanted, left_out = choose(ADAPTERS, parse(["certify", *words]), without or {})
    return [(subject.adapter, subject.mode) for subject in wanted], left_out


def test_without_words_all_that_are_installed_in_every_mode():
    wanted, left_out = chosen()
    assert wanted == [("numpy-manual", "eager"), ("two-modes", "eager"), ("two-modes", "other")]
    [line] = left_out
    assert line.startswith("skipped: absent: needs no-such-distribution")


def test_only_what_is_named_and_nothing_is_said_of_the_others():
    assert chosen("two-modes", "--mode", "other") == ([("two-modes", "other")], [])


def test_what_a_framework_cannot_reach_is_skipped_with_its_reason():
    wanted, left_out = chosen("numpy-manual", "--device", "gpu:0", without={(DEFAULT, "numpy", "gpu:0"): "sees no GPU"})
    assert (wanted, left_out) == ([], ["skipped: numpy-manual (eager): sees no GPU"])


def test_what_the_adapter_declares_unsupported_is_left_out():
    wanted, left_out = chosen("numpy-manual", "--matmul-precision", "bfloat16")
    assert wanted == []
    assert left_out[0].startswith("unsupported: numpy-manual (eager): ")


def test_a_subject_says_all_that_was_asked_for():
    options = parse(["certify", "two-modes", "--mode", "other", "--env", "SOME=1"])
    [subject], _ = choose(ADAPTERS, options, {})
    assert (subject.device, subject.precision, subject.replicas, subject.variables) == (
        "cpu",
        "float32",
        1,
        (("SOME", "1"),),
    )


@pytest.mark.parametrize(("words", "told"), [(("numpy-manul",), "numpy-manual"), (("--mode", "egaer"), "eager")])
def test_a_name_that_there_is_not_is_refused(words, told):
    with pytest.raises(UserError) as error:
        check_names(parse(["certify", *words]), Registry(ADAPTERS))
    assert told in f"{error.value.message} {error.value.hint}"
