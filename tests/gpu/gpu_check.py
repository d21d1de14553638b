"""Certify and measure every adapter whose framework sees this machine's GPU; write records and a report.

    python tests/gpu/gpu_check.py [--device gpu:0] [--quick] [-a ADAPTER]… [--budget 10m] [-o DIR]

Needs a checkout and an interpreter with the frameworks and what levelfield itself imports, of whatever versions; no
installation of levelfield, no network. A framework may lie on PYTHONPATH as a wheel. Exit code 0 when everything that
could run was certified and measured, 1 otherwise, 2 when no framework sees the device.

It writes devices.json, certificates-PRECISION.jsonl (the full form) and run/, with its records, peaks and report.html.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("numpy", "scipy", "sklearn", "pydantic", "psutil", "threadpoolctl", "jinja2", "matplotlib")
PRECISIONS = ("float32", "tf32", "bfloat16")
SUITE = """
name = "gpu-check"
summary = "Every adapter on one device: a small network, and wide ones in each precision"
baseline = "torch-autograd"

[models]
small = {{ hidden = [128] }}
{models}

[recipes]
small = {{ optimizer = "momentum", learning-rate = 0.01, batch-size = 64, epochs = 3 }}
wide = {{ optimizer = "sgd", learning-rate = 0.001, batch-size = {batch}, epochs = 2 }}

[[learning]]
task = "digits"
model = "small"
recipe = "small"

[[speed]]
task = "digits"
model = "small"
recipe = "small"
{much}

[[speed]]
task = "clouds"
model = {names}
recipe = "wide"
precision = ["float32", "tf32", "bfloat16"]
{much}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--device", default="gpu:0", metavar="NAME", help="gpu:0 (default), tpu:0, or cpu to try it dry"
    )
    parser.add_argument("--quick", action="store_true", help="short certificates, narrow networks, two blocks")
    parser.add_argument("-a", "--adapter", action="append", default=[], metavar="NAME", help="only this; repeatable")
    parser.add_argument("--budget", default="10m", metavar="TIME", help="of the speed launches")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: docs/results/DEVICE")
    options = parser.parse_args()
    folder = (options.output or ROOT / "docs" / "results" / options.device.replace(":", "")).resolve()
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        print(f"error: this interpreter lacks {', '.join(missing)}", file=sys.stderr)
        return 2
    if (folder / "run").exists():
        print(f"error: {folder / 'run'} is there already\n  hint: give another folder with -o", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)

    code = levelfield(["list", "devices", "--json"], folder / "devices.json")
    certify = ["certify", *options.adapter, "--device", options.device, "--json", *["--quick"] * options.quick]
    for precision in PRECISIONS:
        path = folder / f"certificates-{precision}.jsonl"
        found = levelfield([*certify, "--matmul-precision", precision], path)
        if found == 2:
            return 2
        code = max(code, 0 if found == 5 else found)  # nothing here has this precision: told above
    suite = folder / "gpu-check.toml"
    suite.write_text(text(options.quick), encoding="utf-8")
    chosen = [word for name in options.adapter for word in ("-a", name)]
    budget = [] if options.quick else ["--budget", options.budget]
    run = ["run", str(suite), *chosen, "--device", options.device, *budget, "-o", str(folder / "run")]
    return max(code, levelfield(run))


def text(quick: bool) -> str:
    """The suite: widths of 4096 and more, or narrow ones to see that everything runs."""
    hidden = {"wide-64": [64, 64]} if quick else {"wide-4096": [4096, 4096], "wide-8192": [8192, 8192]}
    return SUITE.format(
        models="\n".join(f"{name} = {{ hidden = {widths} }}" for name, widths in hidden.items()),
        names=str(list(hidden)).replace("'", '"'),
        batch=64 if quick else 2048,
        much="blocks = 2\nseconds = 0.01\nthreads = 1" if quick else "blocks = 8\nseconds = 0.3",
    )


def levelfield(arguments: list[str], output: Path | None = None) -> int:
    """Run one command from this checkout; its stdout into a file, if one is given."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    cache = os.environ.get("LEVELFIELD_CACHE") or str(Path.home() / ".cache" / "levelfield")
    print("levelfield", *arguments, file=sys.stderr, flush=True)
    # A framework may lie on PYTHONPATH, which launches do not inherit
    command = [sys.executable, "-P", "-m", "levelfield.harness.cli.main", *arguments, "--env", "PYTHONPATH"]
    environment = os.environ | {"PYTHONPATH": path, "LEVELFIELD_CACHE": cache}
    if output is None:
        return subprocess.run(command, env=environment, cwd=ROOT).returncode
    with output.open("wb") as file:
        return subprocess.run(command, env=environment, cwd=ROOT, stdout=file).returncode


if __name__ == "__main__":
    sys.exit(main())
