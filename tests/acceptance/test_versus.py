"""What the peers say of simulated measurements by their own rules, and how windows are counted. Nothing is timed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

VERSUS = Path(__file__).resolve().parent / "versus"


@pytest.fixture(scope="module", autouse=True)
def rooms():
    """Its modules import each other by name, as scripts do."""
    names = ("judge", "replay", "table", "record", "work")
    sys.path.insert(0, str(VERSUS))
    yield
    sys.path.remove(str(VERSUS))
    for name in names:
        sys.modules.pop(name, None)


def values(seed: int, n: int, factor: float = 1.0, spread: float = 0.01) -> list[float]:
    return (0.005 * factor * np.exp(np.random.default_rng(seed).normal(0, spread, n))).tolist()


def processes(seed: int, factor: float = 1.0, between: float = 0.0) -> list[list[float]]:
    """20 processes of 3 values; processes differ by `between`, values inside one by 0.1 %."""
    levels = np.random.default_rng(seed + 1000).normal(0, between, 20)
    return [values(seed + 20 * i, 3, factor * float(np.exp(level)), 0.001) for i, level in enumerate(levels)]


def statistics(seed: int, factor: float = 1.0) -> dict[str, float]:
    times = values(seed, 100, factor)
    return {"min": min(times), "mean": float(np.mean(times)), "median": float(np.median(times))}


def measured(tool: str, seed: int, factor: float):
    return {
        "pytest-benchmark": lambda: statistics(seed, factor),
        "pyperf": lambda: processes(seed, factor),
        "asv": lambda: values(seed, 60, factor),
    }[tool]()


@pytest.mark.parametrize("tool", ["pytest-benchmark", "pyperf", "asv"])
def test_every_comparison_finds_a_fifth_and_says_which_way(tool):
    import judge

    for _, says in judge.JUDGES[tool]:
        base, slower = measured(tool, 0, 1.0), measured(tool, 1, 1.2)
        assert says(base, slower) == "slower"
        assert says(slower, base) == (None if tool == "pytest-benchmark" else "faster")
        assert says(base, base) is None


def test_a_factor_of_ten_per_cent_hides_what_the_test_sees():
    import judge

    base, slower = values(0, 60), values(1, 60, 1.05)
    assert judge.asv_compare(base, slower, 1.1) is None
    assert judge.asv_compare(base, slower, 1.0) == "slower"


def test_values_of_one_process_counted_as_independent_give_false_verdicts():
    """Processes that differ by 1 %, values inside them by 0.1 %: 60 values are worth little more than 20."""
    import judge

    words = [
        judge.pyperf_compare(processes(4000 * i, 1.0, 0.01), processes(4000 * i + 2000, 1.0, 0.01)) for i in range(60)
    ]
    assert sum(word is not None for word in words) > 60 * 0.1


def recording(cycles: int, factors: dict[str, float]) -> list[dict]:
    lines: list[dict] = [{"side_seconds": 2.0, "step_seconds": 1e-4}]
    for tool in ("pytest-benchmark", "pyperf", "asv"):
        for cycle in range(cycles):
            found = {label: measured(tool, 97 * cycle + i, f) for i, (label, f) in enumerate(factors.items())}
            lines.append({"tool": tool, "noise": "quiet", "values": found, "wall": dict.fromkeys(factors, 2.0)})
    for cycle in range(cycles):
        blocks = {
            label: {str(8 * cycle + i): v for i, v in enumerate(values(10**6 + 97 * cycle + k, 8, f))}
            for k, (label, f) in enumerate(factors.items())
        }
        wall = {label: dict.fromkeys(own, 0.2) for label, own in blocks.items()}
        lines.append({"tool": "levelfield run", "noise": "quiet", "values": blocks, "wall": wall})
    for cycle in range(4 * cycles):
        pairs, wall = {}, {}
        for k, label in enumerate(set(factors) - {"base"}):
            first, second = values(10**7 + 97 * cycle + k, 2)
            pairs |= {label: {str(cycle): factors[label] * first}, f"{label} base": {str(cycle): second}}
            wall |= {label: {str(cycle): 0.5}, f"{label} base": {str(cycle): 0.0}}
        lines.append({"tool": "levelfield duel", "noise": "quiet", "values": pairs, "wall": wall})
    return lines


FACTORS = {"base": 1.0, "same": 1.0, "+2%": 1.02, "+5%": 1.05}


def test_a_recording_becomes_a_row_for_every_comparison_and_counts_what_windows_are_worth():
    import replay

    rows = replay.rows(recording(6, FACTORS))
    assert len(rows) == 2 * (3 + 1 + 2) + 2 + 2
    for row in rows:
        same, _, five = (row.shares[label] for label in ("same", "+2%", "+5%"))
        assert same is not None
        assert five is not None
        assert same.low <= same.share <= same.high
        if not row.tool.startswith("levelfield"):
            assert same.windows == (36 if row.apart == "a series" else 6)
            assert same.independent == 6
            continue
        assert row.seconds == 2.0
        assert five.share == 1.0
        pairs, windows = (10, 48) if row.tool == "levelfield run" else (8, 24)
        assert f"{pairs} pairs" in row.test
        assert (same.windows, same.independent) == (windows, windows / pairs)


def test_a_series_too_short_is_not_judged():
    import replay
    import table

    (row, _) = [row for row in replay.rows(recording(2, FACTORS)) if row.tool == "levelfield run"]
    assert row.shares["same"] is None
    assert "not judged" in "\n".join(table.table([row]))


@pytest.mark.parametrize("tool", ["levelfield run", "levelfield duel"])
def test_a_label_whose_launches_were_all_disturbed_is_not_judged_and_the_others_are(tool):
    import replay

    lines = [line for line in recording(6, FACTORS) if line.get("tool", tool) == tool]
    for line in lines[1:]:
        del line["values"]["+2%"]
    for row in replay.rows(lines):
        assert row.shares["+2%"] is None
        assert row.shares["+5%"] is not None


def test_the_page_names_every_number_in_which_a_peer_did_better():
    import replay
    import table

    worse = replay.rows(recording(6, FACTORS | {"same": 1.05}))  # levelfield calls what is not the same
    header, _, *lines = table.better([row for row in worse if row.apart != "a series"])
    assert header.endswith("| levelfield run | levelfield duel |")
    (line,) = [line for line in lines if "asv | compare, factor 1.1" in line and "A/A" in line]
    assert line.count("100.0% (worse; the intervals") == 2


def test_where_no_peer_did_better_the_page_says_so():
    import replay
    import table

    ours = [row for row in replay.rows(recording(6, FACTORS)) if row.tool.startswith("levelfield")]
    assert table.better(ours) == ["Nowhere."]


def test_what_was_recorded_is_read_up_to_where_it_was_cut_off(tmp_path):
    import record
    import replay

    file = tmp_path / "series.jsonl.gz"
    for number in range(3):
        record.append(file, {"number": number, "padding": list(range(1000))})
    whole = file.read_bytes()
    assert [line["number"] for line in replay.read(file)] == [0, 1, 2]
    file.write_bytes(whole[:-20])
    assert [line["number"] for line in replay.read(file)] == [0, 1]


def test_the_document_has_the_marks():
    import document
    import table

    document.check(Path(__file__).resolve().parents[2] / "docs" / "results" / "versus.md", table.MARK)


def test_the_work_of_the_peers_is_the_loop_of_the_adapter(tmp_path):
    """As many epochs of the work as of the adapter's fit leave the same weights, and its recipe is the doctor's."""
    import work

    from levelfield.adapters.numpy.manual import NumpyManual
    from levelfield.harness.doctor import series
    from levelfield.harness.records.cell import NamedRecipe
    from levelfield.tasks import registry
    from levelfield.tasks.recipe import BatchOrder

    assert NamedRecipe(name="momentum", **vars(work.RECIPE)) == series.RECIPE
    task = registry.load("digits")
    task.save(tmp_path / "task.npz")
    done = work.Work(tmp_path / "task.npz", 0.0)
    for _ in range(2):
        done.epoch()
    model = NumpyManual(work.Setting(work.MLP((64, 128, 10)), work.RECIPE, mode="eager"))
    model.set_weights(work.MLP((64, 128, 10)).initial_weights(0))

    class Two:
        def ready(self) -> None:
            pass

        def epoch_end(self, epoch: int) -> bool:
            return epoch < 1

    model.fit(task.train, BatchOrder(len(task.train.x), 32, 2, 0, partial=False), Two())
    for a, b in zip(done.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a.kernel, b.kernel)
