"""The plan: which launches, in which order, with which seeds; what cannot be measured, and why."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from pathlib import Path

import psutil
import pytest

from levelfield.adapters.registry import find
from levelfield.adapters.runtime import compiles
from levelfield.harness.plan import suite
from levelfield.harness.plan.launches import Launch, Selection, Surroundings, plan, starts
from levelfield.tasks import registry
from levelfield.tasks.errors import UserError

ADAPTERS = find().adapters
IRIS, BLOBS = registry.load("iris"), registry.load("blobs")
# Planned as if everything were installed: what is absent here is a test of its own
THERE = Surroundings(ADAPTERS, {"iris": IRIS, "blobs": BLOBS}, cores=2)

SUITE = """
name = "mine"
baseline = "numpy-manual"
seed = {seed}

[models.single]
[models.small]
hidden = [8]

[recipes.momentum]
optimizer = "momentum"

[[learning]]
task = "iris"
model = ["single", "small"]
recipe = "momentum"
seeds = 2

[[speed]]
task = "iris"
model = "small"
recipe = "momentum"
blocks = 5
"""


def planned(text: str = SUITE.format(seed=0), there: Surroundings = THERE, **selected: object) -> list[Launch]:
    return plan(suite.parse(text, Path("mine.toml")), there, Selection(**selected))  # type: ignore[arg-type]


def speed(launches: list[Launch]) -> dict[int, list[Launch]]:
    blocks = defaultdict(list)
    for launch in launches:
        if launch.cell.kind == "speed":
            blocks[launch.block].append(launch)
    return blocks


def refused(**arguments: object) -> UserError:
    with pytest.raises(UserError) as caught:
        planned(**arguments)  # type: ignore[arg-type]
    assert caught.value.hint
    return caught.value


# Order and seeds


def test_the_same_suite_gives_the_same_plan():
    assert planned() == planned()


def test_another_seed_gives_another_order_of_the_same_cells():
    one, other = planned(), planned(SUITE.format(seed=1))
    assert [launch.cell.id for launch in one] != [launch.cell.id for launch in other]
    assert Counter(launch.id for launch in one) == Counter(launch.id for launch in other)


def test_no_launch_is_planned_twice():
    twice = SUITE.format(seed=0) + SUITE.format(seed=0).partition("[[speed]]")[2].join(["[[speed]]", ""])
    ids = [launch.id for launch in planned(twice)]
    assert len(ids) == len(set(ids)) == len(planned())


def test_learning_comes_before_speed_and_blocks_in_their_order():
    launches = planned()
    kinds = [launch.cell.kind for launch in launches]
    assert kinds == sorted(kinds)
    blocks = [launch.block for launch in launches if launch.cell.kind == "speed"]
    assert blocks == sorted(blocks)


def test_every_block_holds_every_cell_once_in_an_order_of_its_own():
    blocks = speed(planned())
    assert list(blocks) == [0, 1, 2, 3, 4]
    cells = {launch.cell.id for launch in blocks[0]}
    assert len(cells) == sum(len(info.modes) for info in ADAPTERS.values())
    orders = []
    for launches in blocks.values():
        ids = [launch.cell.id for launch in launches]
        assert len(ids) == len(set(ids))
        assert set(ids) == cells
        orders.append(ids)
    assert len({tuple(order) for order in orders}) == len(orders)


def test_the_first_blocks_compile_anew_and_no_other_launch_does():
    fresh = {block: {launch.fresh for launch in launches} for block, launches in speed(planned()).items()}
    assert fresh == {block: {block < starts(5).fresh} for block in range(5)}
    assert not any(launch.fresh for launch in planned() if launch.cell.kind == "learning")


def test_a_run_of_many_blocks_starts_often_enough_for_an_interval():
    launches = speed(planned(blocks=9))
    assert [block for block, own in launches.items() if all(one.fresh and one.whole for one in own)] == [0, 1, 2]
    assert not any(one.fresh for block, own in launches.items() if block > 2 for one in own)


def test_what_compiles_is_started_alone_once_more_for_the_cost_of_a_later_start():
    for blocks, last in ((5, 1), (9, 5)):
        for block, own in speed(planned(blocks=blocks)).items():
            fresh = block < starts(blocks).fresh
            compiled = {one for one in own if compiles(one.cell.mode, ADAPTERS[one.cell.adapter].runtime)}
            assert 0 < len(compiled) < len(own)
            assert {one for one in own if one.whole} == (set(own) if fresh else compiled if block <= last else set())


def test_all_launches_of_a_block_share_a_seed_and_blocks_do_not():
    seeds = {block: {launch.seed for launch in launches} for block, launches in speed(planned()).items()}
    assert all(len(of_block) == 1 for of_block in seeds.values())
    assert len(set.union(*seeds.values())) == len(seeds)


def test_learning_launches_have_one_seed_each_shared_by_all_cells():
    learning = [launch for launch in planned(SUITE.format(seed=7)) if launch.cell.kind == "learning"]
    seeds = defaultdict(set)
    for launch in learning:
        seeds[launch.cell.id].add(launch.seed)
    assert set(map(frozenset, seeds.values())) == {frozenset({7, 8})}


def test_learning_takes_the_default_mode_and_speed_all_of_them():
    modes = defaultdict(set)
    for launch in planned():
        modes[launch.cell.kind, launch.cell.adapter].add(launch.cell.mode)
    for info in ADAPTERS.values():
        assert modes["learning", info.name] == {info.modes[0]}
        assert modes["speed", info.name] == set(info.modes)


def test_planning_starts_no_process():
    before = psutil.Process().children(recursive=True)
    planned()
    assert psutil.Process().children(recursive=True) == before


# Selection


def test_adapters_modes_and_numbers_can_be_selected():
    launches = planned(adapter=("jax-grad", "numpy-manual"), mode=("scan",), blocks=3, seeds=1)
    assert {(launch.cell.adapter, launch.cell.mode) for launch in launches} == {("jax-grad", "scan")}
    assert Counter(launch.cell.kind for launch in launches) == {"learning": 2, "speed": 3}


def test_threads_are_those_of_speed_launches():
    threads = {(launch.cell.kind, launch.cell.threads) for launch in planned(threads=1)}
    assert threads == {("learning", 1), ("speed", 1)}
    assert {launch.cell.threads for launch in speed(planned())[0]} == {2}


def test_more_threads_than_cores_are_refused():
    error = refused(threads=3)
    assert "3 threads" in error.message
    assert "2 cores" in error.message
    assert error.hint == "--threads 2"


def test_tasks_can_be_selected():
    two = SUITE.format(seed=0).replace('task = "iris"', 'task = ["iris", "blobs"]')
    assert {launch.cell.task for launch in planned(two, task=("blobs",))} == {"blobs"}
    assert planned(two, task=("blobs",), mode=("scan",), adapter=("numpy-manual",)) == []


@pytest.mark.parametrize(
    ("selected", "message", "nearest"),
    [
        ({"adapter": ("torch-n",)}, "unknown adapter 'torch-n'", "torch-nn"),
        ({"mode": ("scann",)}, "unknown mode 'scann'", "scan"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(selected, message, nearest):
    error = refused(**selected)
    assert message in error.message
    assert f"did you mean '{nearest}'" in error.hint


# What cannot be measured


def test_what_is_not_installed_is_skipped_with_what_to_install():
    info = ADAPTERS["sklearn-mlp"]
    adapters = ADAPTERS | {info.name: info.but(packages=("no-such-framework",))}
    launches = planned(there=Surroundings(adapters, {"iris": IRIS}, 2))
    skipped = [launch for launch in launches if launch.cell.adapter == "sklearn-mlp"]
    assert skipped
    for launch in skipped:
        assert launch.skip == "needs no-such-framework: pip install 'levelfield[no-such-framework]'"
        assert not launch.unsupported
    assert all(launch.skip is None for launch in launches if launch.cell.adapter == "numpy-manual")


@pytest.mark.parametrize(
    ("old", "new", "adapter", "reason"),
    [
        ("[models.small]", "[models.small]\ndropout = 0.5", "sklearn-mlp", "MLPClassifier has no dropout"),
        ('"momentum"\n\n[[', '"adamw"\n\n[[', "sklearn-mlp", "no AdamW"),
        ('task = "iris"', 'task = "blobs"', "sklearn-mlp", "one logistic output"),
    ],
)
def test_what_an_adapter_declares_is_unsupported_with_its_reason(old, new, adapter, reason):
    text = SUITE.format(seed=0)
    assert old in text
    limited = [launch for launch in planned(text.replace(old, new)) if launch.cell.model.name == "small"]
    there = [launch for launch in limited if launch.cell.adapter == adapter]
    assert there
    assert all(launch.unsupported and reason in (launch.skip or "") for launch in there)
    assert all(launch.skip is None for launch in limited if launch.cell.adapter == "numpy-manual")


def test_compiling_without_a_compiler_is_unsupported(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    launches = [launch for launch in planned() if launch.cell.framework == "torch" and not launch.cell.backend]
    for launch in launches:
        compiled = launch.cell.mode == "compile"
        assert launch.unsupported is compiled
        assert (launch.skip == "torch.compile on a CPU needs a C++ compiler") is compiled


# What is too large is refused while it is still a number


@pytest.mark.parametrize(
    ("hidden", "need"),
    [("[1_000_000_000]", "30 GiB"), ("[100_000, 100_000]", "37 GiB"), ("[1_000_000_000_000_000]", "29,802,322 GiB")],
)
def test_a_huge_layer_is_refused_with_the_memory_it_needs(hidden, need):
    error = refused(text=SUITE.format(seed=0).replace("[8]", hidden))
    assert "models.small" in error.message
    assert need in error.message
    assert "hidden" in error.hint


def test_a_huge_plan_is_refused_before_it_is_built():
    names = '["iris"' + ', "iris"' * 5_000 + "]"
    text = SUITE.format(seed=0).replace('task = "iris"', f"task = {names}").replace("seeds = 2", "seeds = 10000")
    parsed = suite.parse(text, Path("mine.toml"))
    held, begin = psutil.Process().memory_info().rss, time.process_time()
    with pytest.raises(UserError) as caught:
        plan(parsed, THERE)
    assert time.process_time() - begin < 60  # its hundred million launches would take hours
    assert psutil.Process().memory_info().rss - held < 200e6
    assert "launches are asked for" in caught.value.message
    assert "GiB" in caught.value.message
    assert caught.value.hint


def test_a_track_of_the_suite_is_planned_and_can_be_selected():
    both = SUITE.format(seed=0).replace("[[speed]]", '[[speed]]\ntrack = ["matched", "idiomatic"]')
    assert {launch.cell.track for launch in planned(both)} == {"matched", "idiomatic"}
    assert {launch.cell.track for launch in planned(both, track=("matched",))} == {"matched"}
