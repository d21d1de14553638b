"""Where levelfield's own code lies, and how a process of ours is started that finds it and nothing else of ours."""

from __future__ import annotations

import sys
from pathlib import Path

import levelfield

PACKAGE = Path(levelfield.__file__).parent  # of a checkout, its rooms are links
ROOT = PACKAGE.parent

# Imports the package from its folder. A path entry would do it too, and would put all that lies beside the package,
# of an installed one whole site-packages, before the other interpreter's own
_FIND = """
import importlib.util, sys
place = sys.argv.pop(1)
spec = importlib.util.spec_from_file_location("levelfield", place + "/__init__.py", submodule_search_locations=[place])
package = sys.modules["levelfield"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package)
"""
_RUN = """
import runpy
module = sys.argv.pop(1)
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def program(code: str, *words: str, python: str | None = None) -> list[str]:
    """The command that runs `code` with `words` as ``sys.argv[1:]``, and finds this copy of levelfield."""
    return [python or sys.executable, "-P", "-c", _FIND + code, str(PACKAGE), *words]


def module(name: str, *words: str, python: str | None = None) -> list[str]:
    """The command that runs one of our modules, as ``python -P -m name words`` does."""
    return program(_RUN, name, *words, python=python)
