"""What pyproject.toml cannot say: the README of a package has no repository beside it that its links could lead to."""

import re
from pathlib import Path

from setuptools import setup


def readme() -> str:
    """README.md without its picture; a link to a file of the repository is that file's name."""
    text = Path("README.md").read_text(encoding="utf-8")
    text = re.sub(r"^!\[[^]]*\]\((?!https?:)[^)]*\)\n\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\[([^]]+)\]\(\1\)", r"\1", text)
    return re.sub(r"\[([^]]+)\]\((?!https?:|#)([^)]+)\)", r"\1 (`\2`)", text)


setup(long_description=readme(), long_description_content_type="text/markdown")
