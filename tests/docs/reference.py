"""Write docs/reference.md from the code: ``python tests/docs/reference.py``. A test holds that it is current."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import suite_keys

import levelfield
from levelfield.harness.cli import arguments, main, values
from levelfield.harness.plan.suite import Suite
from levelfield.harness.records.explanation import Explanation
from levelfield.harness.records.record import SCHEMA, Record, Run
from levelfield.harness.system import variables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference.md"
HEAD = """# Reference

<!-- written by tests/docs/reference.py from the code; a test holds that it is current -->

For anyone who looks up a key, an option, an exit code, a variable or a field.
[A suite](#a-suite) · [Commands](#commands) · [Exit codes](#exit-codes) · [Variables](#variables) ·
[Records](#records) · [Python](#python)
"""
LARGEST = 2**62  # bounds beyond this only say "a whole number"


def text() -> str:
    """The whole page."""
    return "\n".join([HEAD, *suite(), *commands(), *exit_codes(), *environment(), *records(), *python()])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    ] + [""]


def kind(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind(one) for one in schema["anyOf"] if one.get("type") != "null"))
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if schema.get("type") == "array":
        items = schema.get("items", {})
        return f"list of {kind(items)}" if items else f"{len(schema['prefixItems'])} values"
    if schema.get("type") == "object":
        return "table"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    name = "path" if schema.get("format") == "path" else names.get(schema.get("type", ""), "anything")
    return name + bounds(schema)


def bounds(schema: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "gt": ">", "maximum": "≤", "exclusiveMaximum": "<", "le": "≤"}
    found = [
        f"{sign} {int(schema[key]) if schema[key] == int(schema[key]) else schema[key]:,}"
        for key, sign in signs.items()
        if abs(schema.get(key, LARGEST)) < LARGEST
    ]
    return f" {', '.join(found)}" if found else ""


def default(schema: Mapping[str, Any], needed: bool) -> str:
    if needed:
        return "*required*"
    value = schema.get("default")
    if value is None or value == "":
        return "none" if schema.get("type") != "object" else "empty"
    return f"`{toml(value)}`"


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(toml(one) for one in value)}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def keys(
    found: Mapping[str, suite_keys.Key], schema: Mapping[str, Any], only: Iterable[str] | None = None
) -> list[str]:
    """A table of these keys. Raises KeyError where the code has another set of them."""
    there = set(schema["properties"]) if only is None else set(only)
    if there != set(found):
        raise KeyError(f"not the keys of the code: {sorted(there ^ set(found))}")
    needed = schema.get("required", ())
    rows = []
    for name, key in found.items():
        own = schema["properties"][name]
        example = "<br>".join(f"`{line}`" for line in key.example.splitlines())
        rows.append([f"`{name}`", key.meaning, kind(own), default(own, name in needed), example])
    return table(["key", "what it says", "value", "default", "example"], rows)


def suite() -> list[str]:
    whole = Suite.model_json_schema(by_alias=True)
    parts = whole["$defs"]
    speed, learning = parts["SpeedPart"], parts["LearningPart"]
    common = set(speed["properties"]) & set(learning["properties"])
    return [
        "## A suite",
        "",
        "A TOML file for `levelfield run FILE`. Unknown keys are refused, with the nearest known one.",
        "[An example](run.md#your-own-suite).",
        "",
        "### The whole file",
        "",
        *keys(suite_keys.SUITE, whole),
        "### `[environments.NAME]`",
        "",
        'Instead of a table, the path of an interpreter: `older = "old/bin/python"`. Its launches use what is',
        "installed there.",
        "",
        *keys(suite_keys.ENVIRONMENT, parts["EnvironmentTable"]),
        "### `[models.NAME]`",
        "",
        *keys(suite_keys.MODEL, parts["Model"]),
        "### `[recipes.NAME]`",
        "",
        *keys(suite_keys.RECIPE, parts["Recipe"]),
        "`early-stopping` is a table:",
        "",
        *keys(suite_keys.EARLY_STOPPING, parts["EarlyStopping"]),
        "### `[[speed]]` and `[[learning]]`",
        "",
        "Lists are multiplied out: two tasks and three models make six workloads. A single value needs no brackets for",
        "`task`, `model`, `recipe`, `adapters`, `environments`, `track`, `precision` and `replication`.",
        "",
        *keys(suite_keys.PART, learning, common),
        f"`modes` is by default `{toml(speed['properties']['modes']['default'])}` in `[[speed]]`.",
        "",
        "### `[[speed]]` alone",
        "",
        *keys(suite_keys.SPEED, speed, set(speed["properties"]) - common),
        "### `[[learning]]` alone",
        "",
        "The last four change the data on purpose, with the launch's seed.",
        "",
        *keys(suite_keys.LEARNING, learning, set(learning["properties"]) - common),
    ]


def commands() -> list[str]:
    lines = [
        "## Commands",
        "",
        "Every command has `-h`, `-v` (tracebacks) and `-q` (no progress). Data go to standard output, all else to",
        "standard error.",
        "",
    ]
    for name, parser in subparsers().items():
        lines += [f"### levelfield {name}", "", parser.description or "", ""]
        rows = [
            [f"`{written(action)}`", with_default(action)]
            for action in parser._actions
            if action.dest not in ("help", "verbose", "quiet")
        ]
        lines += table(["option", "what it does"], rows)
    return lines


def subparsers() -> Mapping[str, argparse.ArgumentParser]:
    (found,) = (a.choices for a in arguments._parser()._actions if isinstance(a, argparse._SubParsersAction))
    return found


def written(action: argparse.Action) -> str:
    """As it is typed."""
    if not action.option_strings:
        return str(action.metavar or action.dest)
    value = "" if action.nargs == 0 else f" {action.metavar or '{' + ','.join(map(str, action.choices or ())) + '}'}"
    return ", ".join(action.option_strings) + value


def with_default(action: argparse.Action) -> str:
    told = (action.help or "").replace("%%", "%")
    if not told and action.choices:
        told = f"one of {', '.join(map(str, action.choices))}"
    shown = "default" in told or action.default in (None, False, [], "==SUPPRESS==")
    if not shown:
        convert = values.WRITTEN.get(action.type, str)
        told += f" (default: {convert(action.default)})"
    return told


def exit_codes() -> list[str]:
    rows = [
        ["0", "`OK`", "done"],
        [
            "1",
            "`FAILED`",
            "done, and the answer is no: a launch failed, a certificate is missing, nothing could be judged, or "
            "`--fail-on` found what it names",
        ],
        ["2", "`USAGE`", "wrong usage or configuration: the message says what, the hint what would be right"],
        ["3", "`INTERNAL`", "an error of levelfield's own: please report it"],
        ["5", "`NOTHING`", "nothing was selected, or nothing could be compared"],
        ["130", "`INTERRUPTED`", "Ctrl-C; the message has the command that goes on"],
    ]
    if any(getattr(main, name.strip("`")) != int(code) for code, name, _ in rows):
        raise KeyError("not the exit codes of the code")
    lines = ["## Exit codes", "", *table(["code", "meaning"], [[code, meaning] for code, _, meaning in rows])]
    for name, told in arguments.EXIT_CODES.items():
        lines += [f"Of `levelfield {name}`:", "", "```text", re.sub(r"^exit codes:\n", "", told), "```", ""]
    return lines


def environment() -> list[str]:
    own = [
        ["`LEVELFIELD_DATA`", "the folder of MNIST's files, if `--data-dir` does not name one"],
        ["`LEVELFIELD_CACHE`", "where certificates and caches are kept; by default the user's cache folder"],
    ]
    alike = groupby(variables.TABLE, lambda one: (one.reader, one.changes or "nothing here", one.ours))
    rows = [[listed(one.pattern for one in group), *told] for told, group in alike]
    return [
        "## Variables",
        "",
        "levelfield itself reads:",
        "",
        *table(["variable", "what it says"], own),
        "Launches do not inherit the environment ([why](trust.md#what-may-change-a-number)). They get:",
        "",
        f"* without a word: {listed(variables.LET_THROUGH)};",
        f"* and recorded: {listed(variables.KEPT)};",
        "* what levelfield sets (last column below);",
        "* what `--env` or `env` in a suite passes on, which is recorded.",
        "",
        "All others are dropped. If one of this table is set, a warning names it. The first row that fits counts.",
        "",
        *table(["variable", "read by", "changes", "set by levelfield"], rows),
    ]


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def records() -> list[str]:
    lines = [
        "## Records",
        "",
        "A run's folder holds `run.json` (what was asked for), `records.jsonl` (one launch a line),",
        "`certificates.jsonl`, `peaks.jsonl` and, with `--explain`, `explained.jsonl`.",
        f"This is schema {SCHEMA}; runs of another one are refused.",
        "",
    ]
    shown = {"A record": Record.model_json_schema(), "run.json": Run.model_json_schema()}
    parts = shown["A record"]["$defs"]
    inner = {"Cell": parts["Cell"], "NamedModel": parts["NamedModel"], "NamedRecipe": parts["NamedRecipe"]}
    inner |= {name: parts[name] for name in sorted(set(parts) - set(inner))}
    explained = Explanation.model_json_schema()
    new = {name: schema for name, schema in explained["$defs"].items() if name not in parts}
    for name, schema in (shown | {"An explanation": explained} | inner | dict(sorted(new.items()))).items():
        rows = [[f"`{field}`", kind(own), own.get("description", "")] for field, own in schema["properties"].items()]
        head = ["field", "value", "what it says"][: 3 if any(row[2] for row in rows) else 2]
        about = prose(schema.get("description", ""))
        lines += [f"### {name}", "", *([about, ""] if about else []), *table(head, [row[: len(head)] for row in rows])]
    return lines


def prose(docstring: str | None) -> str:
    """A docstring as Markdown."""
    return inspect.cleandoc(docstring or "").replace("``", "`")


def python() -> list[str]:
    lines = ["## Python", "", "The public API: `import levelfield`. Everything else may change without notice.", ""]
    for name in sorted(levelfield.__all__):
        thing = getattr(levelfield, name)
        lines += [f"### levelfield.{name}", "", prose(thing.__doc__), ""]
        if inspect.isfunction(thing):
            lines += ["```text", *signature(name, thing), "```", ""]
            continue
        fields = vars(thing).get("__annotations__", {})
        rows = [[f"`{field}`", f"`{typed(own)}`"] for field, own in fields.items()]
        lines += table(["field", "type"], rows) if rows else []
        lines += table(["method or property", "what it does"], methods(thing)) if methods(thing) else []
    return lines


def methods(thing: type) -> list[list[str]]:
    """A row for each public method and property that has a docstring, in the order of the source."""
    rows = []
    for name, own in vars(thing).items():
        function = getattr(own, "fget", None) or getattr(own, "func", None) or own
        if inspect.isfunction(function) and function.__doc__ and (name[0] != "_" or rewritten(function)):
            shown = called(function) if function is own else name
            rows.append([f"`{shown}`", " ".join(prose(function.__doc__).split())])
    return rows


def rewritten(method: Any) -> bool:
    """Whether this is an ``__init__`` that a person wrote."""
    return bool(method.__name__ == "__init__" and method.__module__.startswith("levelfield."))


def typed(annotation: Any) -> str:
    """As it is written, without bounds."""
    return re.sub(r"Annotated\[(\w+), .*?\](?=$| \|)", r"\1", str(getattr(annotation, "__forward_arg__", annotation)))


def called(method: Any) -> str:
    names = [name for name in inspect.signature(method).parameters if name != "self"]
    return f"{method.__name__}({', '.join(names)})"


def signature(name: str, function: Any) -> list[str]:
    """A parameter a line."""
    found = inspect.signature(function)
    parts = [re.sub(r"'([^']*)'(?= =|$)", r"\1", str(one), count=1) for one in found.parameters.values()]
    named = next((n for n, one in enumerate(found.parameters.values()) if one.kind == one.KEYWORD_ONLY), None)
    if named is not None:
        parts.insert(named, "*")
    return [f"{name}(", *(f"    {part}," for part in parts), f") -> {found.return_annotation}"]


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
    print(PAGE)
