"""How launches are dealt out to hosts: what stays together, what may share a host, and what a lost host costs."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest
from dry_launcher import DryHost, DryLauncher

from levelfield.adapters.registry import find
from levelfield.harness.launch.hosts import HostLost
from levelfield.harness.launch.work_queue import _Queue
from levelfield.harness.plan import suite
from levelfield.harness.plan.launches import Surroundings, plan
from levelfield.harness.records.cell import Cell
from levelfield.harness.records.record import Record
from levelfield.harness.run.resume import left
from levelfield.harness.run.schedule import Homes, carry_out
from levelfield.harness.system import machine
from levelfield.harness.system.machine import Machine
from levelfield.tasks import registry as tasks
from levelfield.tasks.errors import UserError

SUITE = """
name = "mine"
baseline = "numpy-manual"

[models.small]
hidden = [4]

[recipes.plain]
optimizer = "sgd"

[[learning]]
task = "iris"
model = "small"
recipe = "plain"
adapters = ["numpy-manual", "sklearn-mlp", "torch-nn"]
seeds = 6

[[speed]]
task = "iris"
model = "small"
recipe = "plain"
adapters = ["numpy-manual", "sklearn-mlp", "torch-nn"]
modes = "default"
blocks = 12
threads = 1
"""
HERE = machine.describe()


@pytest.fixture(scope="module")
def launches():
    there = Surroundings(find().adapters, {"iris": tasks.load("iris")}, cores=4)
    return plan(suite.parse(SUITE, Path("mine.toml")), there)


def named(host: str, cpu: str = "Some CPU") -> Machine:
    return HERE.model_copy(update={"host": host, "cpu": cpu})


@dataclass
class Frail(DryHost):
    """Ends with the launch after `survives`; takes a moment for each, and knows what it does at a time."""

    survives: int = 10**6
    made: int = 0
    together: set[frozenset[str]] = field(default_factory=set)
    under_way: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def launch(self, launch, core=None):
        with self.lock:
            self.under_way.append(launch.cell.kind)
            self.together.add(frozenset([launch.cell.kind, str(len(self.under_way))]))
        time.sleep(0.001)
        with self.lock:
            self.under_way.remove(launch.cell.kind)
            self.made += 1
            if self.made > self.survives:
                raise HostLost("gone")
        return super().launch(launch, core)


def host(name: str, cpu: str = "Some CPU", cores: int = 2, **more) -> Frail:
    return Frail(machine=named(name, cpu), cores=list(range(cores)), **more)


def carried(launches, *hosts: Frail) -> list[Record]:
    records: list[Record] = []
    carry_out(launches, DryLauncher(hosts).hosts, lambda launch, record: records.append(record), Event())
    return records


def last(records) -> dict[str, Record]:
    return {record.launch_id: record for record in records}


def speed_hosts(records) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for record in last(records).values():
        if record.cell.kind == "speed":
            found.setdefault(record.block, set()).add(record.machine.host)
    return found


def test_every_launch_is_made_once_and_both_hosts_take_part(launches):
    records = carried(launches, host("a"), host("b"))
    assert sorted(record.launch_id for record in records) == sorted(launch.id for launch in launches)
    assert {record.machine.host for record in records} == {"a", "b"}


def test_the_launches_of_a_block_are_made_on_one_host(launches):
    assert all(len(hosts) == 1 for hosts in speed_hosts(carried(launches, host("a"), host("b"), host("c"))).values())


def test_a_timed_launch_has_its_host_to_itself_and_learning_ones_share_its_cores(launches):
    hosts = [host("a"), host("b")]
    carried(launches, *hosts)
    for one in hosts:
        kinds = {(kind, number) for pair in one.together for kind in pair - {"1", "2"} for number in pair & {"1", "2"}}
        assert ("speed", "2") not in kinds
        assert ("learning", "2") in kinds


@pytest.mark.parametrize("survives", [0, 1, 3, 5, 20, 22, 23, 24])
def test_what_a_lost_host_had_to_do_is_done_elsewhere_and_no_pair_lies_on_two_hosts(launches, survives):
    records = carried(launches, host("a"), host("b", survives=survives))
    assert last(records).keys() == {launch.id for launch in launches}
    assert all(len(hosts) == 1 for hosts in speed_hosts(records).values())
    assert len(records) == len(launches)  # of a block whose host was lost nothing is written


@pytest.mark.parametrize("kind", ["learning", "speed"])
def test_an_error_of_the_store_ends_all_hosts(launches, kind):
    def full(launch, record):
        raise UserError("no space left")

    own = [launch for launch in launches if launch.cell.kind == kind]
    with pytest.raises(UserError, match="no space left"):
        carry_out(own, [host("a"), host("b")], full, Event())


def test_without_a_host_the_run_ends_with_what_to_do(launches):
    with pytest.raises(UserError, match="no host is left") as error:
        carried(launches, host("a", survives=3), host("b", survives=8))
    assert "--resume" in error.value.hint


def test_a_cell_that_fits_no_host_is_refused_before_anything_is_made(launches):
    wide = [launch for launch in launches if launch.cell.kind == "speed"]
    for change in ({"threads": 3}, {"device": "gpu:0"}):
        other = [type(one)(one.cell.model_copy(update=change), one.block, one.seed, one.seconds) for one in wide]
        hosts = [CpuOnly(machine=named("a"), cores=[0, 1])]
        with pytest.raises(UserError, match=r"no host has (cpu and 3|gpu:0 and 1) cores?"):
            carried(other, *hosts)
        assert hosts[0].made == 0


class CpuOnly(Frail):
    def offers(self, cell: Cell) -> bool:
        return cell.device == "cpu" and super().offers(cell)


def test_a_block_goes_to_a_host_that_has_what_it_needs(launches):
    wide = [
        type(one)(one.cell.model_copy(update={"threads": 2}), one.block, one.seed, one.seconds)
        for one in launches
        if one.cell.kind == "speed"
    ]
    assert {record.machine.host for record in carried(wide, host("small", cores=1), host("large"))} == {"large"}


def test_a_seed_is_learnt_on_one_type_of_machine_by_all(launches):
    records = carried(launches, host("a"), host("b", "Other CPU"), host("c"), host("d", "Other CPU"))
    learnt = [record for record in records if record.cell.kind == "learning"]
    for seed in range(6):
        assert len({record.machine.type for record in learnt if record.seed == learnt[0].seed + seed}) <= 1
    assert len({record.machine.type for record in learnt}) == 2


def test_when_the_last_host_of_a_type_is_lost_the_other_type_goes_on(launches):
    records = carried(launches, host("a"), host("b", "Other CPU", survives=2))
    assert last(records).keys() == {launch.id for launch in launches}


def test_a_lane_without_work_stays_while_another_host_could_lose_what_only_it_can_make():
    """Else the other one, between two of its pieces, would leave nobody to take over from it."""
    one, other, lost, taken = host("a"), host("b"), [], []
    queue = _Queue([1], lambda piece: "key", lambda piece, here: here is other or bool(lost), [one, other])
    waiting = threading.Thread(target=lambda: taken.append(queue.take(one)))
    waiting.start()
    waiting.join(0.2)  # it would have ended
    assert queue.take(other) == 1
    lost.append(other)
    queue.give_back(1, other, again=True)
    queue.leave(other)
    waiting.join(60)
    assert taken == [1]


def test_a_resumed_run_makes_a_block_whole_or_not_at_all(launches):
    records = [one.model_copy(update={"status": "ok"}) for one in carried(launches, host("a"), host("b"))]
    timed = [record for record in records if record.cell.kind == "speed"]
    kept = [record for record in records if record is not timed[-1]]
    again = left(launches, kept)
    assert {launch.block for launch in again} == {timed[-1].block}
    assert len(again) == 3
    assert left(launches, records) == []


def test_a_seed_has_one_home_and_another_only_where_none_of_its_type_is_left(launches):
    learning = [launch for launch in launches if launch.cell.kind == "learning"]
    one, other = host("a", cpu="One CPU"), host("b", cpu="Another CPU")
    homes = Homes(learning, [one, other])
    by_seed = {
        launch.block: {homes.of[same.id] for same in learning if same.block == launch.block} for launch in learning
    }
    assert all(len(types) == 1 for types in by_seed.values())
    assert {one.machine.type, other.machine.type} == set().union(*by_seed.values())
    for launch in learning:
        assert [host for host in (one, other) if homes.fits(launch, host)] == [
            host for host in (one, other) if host.machine.type == homes.of[launch.id]
        ]
    homes.lost(other)
    assert all(homes.fits(launch, one) for launch in learning)
