"""Where levelfield's own code lies."""

from __future__ import annotations

from pathlib import Path

import levelfield

PACKAGE = Path(levelfield.__file__).parent  # of a checkout, its rooms are links
ROOT = PACKAGE.parent  # what must be on a path for `import levelfield`
