from __future__ import annotations

import hashlib
import html
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_factory as factory

from levelfield.harness.records.cell import NamedModel
from levelfield.harness.records.record import Record, Run
from levelfield.reports import markdown
from levelfield.reports import terminal as summary
from levelfield.reports.findings.certificates import Certificate, Check
from levelfield.reports.page import embed
from levelfield.reports.page import html as page
from levelfield.tasks.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def full(full_page):
    return full_page


def embedded(text):
    return json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL).group(1))


class Elements(HTMLParser):
    """What a browser would see: elements, their attributes and the text outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self._inside = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        self._inside.append(tag)

    def handle_endtag(self, tag):
        if tag in self._inside:
            while self._inside and self._inside.pop() != tag:
                pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self._inside[-1:]):
            self.text.append(data)


NAMES = [m.__name__.rpartition(".")[2] for m in page.modules()]


def test_sections_stand_in_the_order_of_the_layout():
    assert NAMES == [
        "summary", "speed", "tax", "explained", "guides", "startup", "prediction", "scaling", "ranks", "utilisation",
        "accuracy", "curves", "gap", "defaults", "studies", "published", "certificates", "failures", "caveats",
        "environment", "method", "reproduce",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "records",
    [[], [factory.speed_record(factory.make_cell(), 0, 1e-4)], [factory.failed_record(factory.make_cell(), 0)],
     [factory.learning_record(factory.make_cell(kind="learning"), 0)], None],
    ids=["none", "one", "one failed", "one learning", "full"],
)  # fmt: skip
def test_every_section_is_there_whatever_the_run_holds(records, full):
    text = full if records is None else page.build(factory.make_run(), records)
    shown, missing = re.findall(r'<section id="(\w+)"', text), re.findall(r'<li id="(\w+)">', text)
    assert sorted(shown + missing) == sorted(NAMES)
    assert shown[0] == "summary"
    assert re.findall(r'<li><a href="#(\w+)">', text) == shown  # what is missing is not in the navigation
    for body in re.split(r"<section ", text)[1:]:
        assert 'class="finding"' in body or 'id="not-measured"' in body


def test_what_was_not_measured_is_said_and_not_invented(full):
    body = re.search(r'<section id="not-measured".*?</section>', full, re.DOTALL).group()
    lines = dict(re.findall(r'<li id="([\w-]+)">(.*?)</li>', body, re.DOTALL))
    assert lines.keys() == {"guides", "scaling", "ranks", "defaults", "studies", "published", "certificates"}
    assert all("levelfield " in line for line in lines.values())
    assert "<table" not in body


def test_every_figure_has_a_table_beside_it(full):
    for body in re.findall(r"<section.*?</section>", full, re.DOTALL):
        assert not ("<figure" in body and "<table" not in body)


def test_the_header_names_the_run_its_baseline_and_its_counts(full):
    head = re.search(r"<header>.*?</header>", full, re.DOTALL).group()
    for words in (
        "default-2024-05-17",
        "numpy-manual eager",
        "Example CPU 4210",
        "bench-7",
        "2 launches were voided",
    ):
        assert words in head
    assert [int(n) for n in re.findall(r"<strong>(\d+)</strong>", head)] == [233, 7, 6, 7]


def test_five_questions_of_a_new_user_are_answered_at_the_top(full):
    first = html.unescape(re.search(r'<section id="summary".*?<details', full, re.DOTALL).group())
    assert "Which is fastest" in first
    assert "jax-grad scan is 1.51 × faster than the baseline, ahead of all others." in first
    for question, answer in {
        "What does the high-level API cost": "slower than the lower one",
        "After how many steps does compiling pay": "compiled modes pay",
        "Does any framework generalise worse": "Not judged: too few seeds",
        "Why is a cell empty": "Without a number: 2 failed",
    }.items():
        found = re.search(rf"{question}.*?<dd>(.*?)</dd>", first, re.DOTALL)
        assert answer in found.group(1), question


def test_a_page_holds_no_path_of_the_machine_that_made_the_run():
    places = {"python": "../../home/ada/venv/bin/python", "suite_folder": "../../home/ada/suites"}
    run = factory.make_run().model_copy(update=places)
    shown = page.build(run, factory.few_records())
    assert Run.model_validate(embedded(shown)["run"]).name == run.name
    assert "home/ada" not in shown


def test_the_embedded_data_are_the_records(full):
    data = embedded(full)
    assert Run.model_validate(data["run"]) == factory.make_run()
    assert [Record.model_validate(r) for r in data["records"]] == factory.full_records()


def test_numbers_that_json_lacks_come_back():
    record = factory.speed_record(factory.make_cell(), 0, 1e-4, epoch_seconds=[1.0, float("inf"), float("-inf")])
    (found,) = embedded(page.build(factory.make_run(), [record]))["records"]
    assert Record.model_validate(found).epoch_seconds == record.epoch_seconds


def test_past_the_size_limit_cells_stand_for_records(monkeypatch):
    monkeypatch.setattr(embed, "LARGEST", 20_000)
    text = page.build(factory.make_run(), factory.speed_records())
    assert "records" not in embedded(text)
    assert {c["verdict"] for c in embedded(text)["cells"]} >= {"faster", "slower"}
    assert "records.jsonl" in text
    assert 'data-complete="no"' in text


BUILD = (
    "page.build(factory.make_run(), factory.few_records(), sources=factory.SOURCES, certificates=factory.CERTIFICATES, "
    "explained=factory.EXPLAINED[:1])"
)


@pytest.mark.slow
def test_the_same_records_give_the_same_bytes_in_another_process_with_another_hash_seed(small_page):
    script = (
        "import hashlib, report_factory as factory; from levelfield.reports.page import html as page;"
        f"pages = [{BUILD} for _ in range(2)];"
        "print(*(hashlib.sha256(p.encode()).hexdigest() for p in pages))"
    )
    environment = os.environ | {
        "PYTHONHASHSEED": "4242",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)]),
    }
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [hashlib.sha256(small_page.encode()).hexdigest()] * 2


def test_the_policy_forbids_everything_but_what_is_in_the_page(full):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', full).group(1)
    assert policy.startswith("default-src 'none'")
    script = re.findall(r"<script>(.*?)</script>", full, re.DOTALL)
    assert len(script) == 1
    digest = page.base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert not re.search(r'(?:src|href)="(?!#)', full)


# Hostile material


def hostile_run_and_records(evil):
    name = "x" + evil
    model = NamedModel(name=evil)
    recipe = replace(factory.RECIPE, name=evil)
    machine = factory.MACHINE.model_copy(update={"host": evil, "cpu": evil, "system": evil, "commit": evil})
    records = []
    for kind in ("speed", "learning"):
        for i, step in enumerate((1e-4, 2e-4)):
            cell = factory.make_cell(
                kind=kind,
                task=evil,
                model=model,
                recipe=recipe,
                adapter=f"{name}{i}",
                framework=evil,
                mode=evil,
                device=evil,
            )
            versions = {evil: evil}
            if kind == "speed":
                records += [
                    factory.speed_record(
                        cell, b, step, versions=versions, machine=machine, phases={evil: 1.0, "first_epoch": 1.0}
                    )
                    for b in range(6)
                ]
            else:
                records.append(factory.learning_record(cell, 0, versions=versions, machine=machine))
    failed = factory.make_cell(task=evil, model=model, adapter=name, framework=evil)
    records.append(factory.failed_record(failed, 0, "failed", evil, evil * 50))
    run = factory.make_run(
        name=evil, suite=evil, summary=evil, started=evil, command=evil, baseline=f"{name}0", machine=machine,
        warnings=[evil], suite_text=evil, tasks={evil: {"source": evil, "licence": evil, "samples": {"test": evil}}},
    )  # fmt: skip
    return run, records


@pytest.mark.parametrize("evil", factory.EACH_HOSTILE)
def test_nothing_from_records_becomes_markup_or_hides(evil, full):
    run, records = hostile_run_and_records(evil)
    literals = {
        "modes": (evil,),
        "notes": (evil,),
        "limits": ({evil: evil, "because": evil},),
        "defaults": {evil: evil},
        "fast_modes": {evil: {"does": evil, "page": evil, "why_not_default": evil}},
    }
    about = type("About", (), literals)
    certificates = [Certificate("x" + evil + "0", evil, (Check(evil, 1.0, 2.0),), device=evil)]
    text = page.build(
        run, records, sources={evil: evil}, adapters={records[0].cell.adapter: about}, certificates=certificates
    )
    seen, usual = Elements(text), Elements(full)
    assert set(seen.tags) <= set(usual.tags) | {"pre", "label"}
    assert seen.tags.count("script") == 2
    assert seen.tags.count("style") == 1
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u2028\u2029\x00\x07\x1b]", text)
    assert "⟨U+" in outside or evil.isprintable()
    found = embedded(text)
    assert found["run"]["name"] == evil
    assert [Record.model_validate(r) for r in found["records"]] == records


@pytest.mark.parametrize("evil", factory.EACH_HOSTILE)
def test_markdown_and_terminal_show_hostile_names_as_they_stand(evil):
    run, records = hostile_run_and_records(evil)
    shown = markdown.build(run, records)
    assert not re.search(r"<(?!/?(?:details|summary)>)", re.sub(r"`{3,}.*?`{3,}", "", shown, flags=re.DOTALL))
    terminal = summary.text(run, records)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\u2029\x00\x07\x1b]", shown + terminal)


# The other two forms


def test_the_terminal_text_has_the_words_and_the_reasons():
    text = summary.text(factory.make_run(), factory.full_records())
    for words in (
        "233 ok, 7 failed, 6 skipped and 7 unsupported",
        "faster (tier 1)",
        "baseline",
        "mlx is not installed",
    ):
        assert words in text
    assert summary.text(factory.make_run(), factory.full_records()) == text
    assert "no launch yet" in summary.text(factory.make_run(), [])


def test_markdown_tables_have_as_many_cells_in_every_row():
    text = markdown.build(factory.make_run(), factory.full_records())
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(cells) == 1
    assert "leads alone" in text
    assert text == markdown.build(factory.make_run(), factory.full_records())


@pytest.mark.parametrize("build", [page.build, markdown.build])
def test_an_unknown_baseline_is_an_error_for_the_user(build):
    with pytest.raises(UserError, match="unknown baseline"):
        build(factory.make_run(), factory.speed_records(blocks=1), baseline="nobody")


def test_another_baseline_is_named_on_the_page_and_changes_the_ratios():
    text = page.build(factory.make_run(), factory.speed_records(factory.ENTRIES[:4]), baseline="torch-nn:eager")
    assert "<dd>torch-nn eager</dd>" in text
    assert "Against the baseline torch-nn eager" in text


def test_sources_are_shown_once_with_their_lines_of_code():
    source = '"""Doc\nstring."""\n\nimport x  # why\n\n\ndef f():\n    """Doc."""\n    return """a\nb"""\n# end\n'
    text = page.build(
        factory.make_run(),
        factory.speed_records(factory.ENTRIES[:2], blocks=1),
        sources={"torch-nn": source, "jax-grad": source, "numpy-manual": "x=1"},
    )
    assert "jax-grad, torch-nn <small>4 lines of code" in text
    assert "numpy-manual <small>1 lines of code" in text


def test_the_plain_scripts_stand_folded_and_wrapped_before_the_sources_each_once():
    scripts = dict.fromkeys(("keras-jax", "keras-torch"), "a <b>\n") | {"torch-nn": "def train():\n    ...\n"}
    text = page.build(
        factory.make_run(),
        factory.speed_records(factory.ENTRIES[:2], blocks=1),
        sources=factory.SOURCES,
        scripts=scripts,
    )
    body = re.search(r'<section id="caveats".*?</section>', text, re.DOTALL).group()
    assert body.index("The same network in each API") < body.index("Every adapter")
    assert "<summary>keras-jax, keras-torch <small>1 lines of code</small></summary>" in body
    assert body.count("a &lt;b&gt;") == 1
    assert set(re.findall(r'<pre class="([^"]*)"', body)) == {"wrap"}
    assert '<details class="item" open' not in body
    assert re.findall(r'<option value="([^"]*)" selected', body) == ["script-1", "script-2"]


def test_certificates_are_told_with_their_closest_call():
    certificates = [
        Certificate("numpy-manual", "eager", (Check("logits", 5e-7, 1e-6), Check("loss", 0.0, 1e-6))),
        Certificate("torch-autograd", "eager", (Check("weights", 2e-6, 1e-6),)),
        Certificate("torch-nn", "eager", (), reason="no float64"),
    ]
    text = page.build(factory.make_run(), factory.speed_records(factory.ENTRIES[:4]), certificates=certificates)
    body = html.unescape(re.search(r'<section id="certificates".*?</section>', text, re.DOTALL).group())
    assert "1 of 3 certificates are held; the closest call used 50 % of its tolerance (logits)" in body
    assert "not held: torch-autograd eager and torch-nn eager" in body
    assert "not certified: takes no part" in text


@pytest.mark.slow
def test_ten_thousand_records_stay_within_five_megabytes():
    records = []
    for w in range(24):
        records += factory.speed_records(blocks=20, seed=w, task=f"task-{w}")
        for entry in factory.ENTRIES:
            cell = factory.make_cell(entry, kind="learning", task=f"task-{w}")
            records += [factory.learning_record(cell, s) for s in range(4)]
    records += [factory.failed_record(factory.make_cell(task=f"x{i}"), 0) for i in range(10_000 - len(records))]
    text = page.build(factory.make_run(), records)
    assert len(records) == 10_000
    assert len(text.encode()) <= 5_000_000


def test_many_workloads_are_bounded_and_the_page_says_so():
    records = [r for w in range(45) for r in factory.speed_records(factory.ENTRIES[:2], blocks=1, task=f"t{w:02d}")]
    text = page.build(factory.make_run(), records)
    assert text.count('id="speed-table-') == 40
    assert "The first 6 of 45 workloads are drawn; the first 40 have tables, the records hold all." in text


def test_the_page_tells_what_the_frameworks_report_of_their_settings():
    plain = factory.speed_records(factory.ENTRIES[:2], precision="bfloat16")
    records = [record.model_copy(update={"runtime": {"threads": "2 <of them>"}}) for record in plain]
    found = page.build(factory.make_run(), records)
    assert "Settings in force" in found
    assert "threads: 2 &lt;of them&gt;" in found
