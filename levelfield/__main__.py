"""``python -m levelfield``: the command, for an interpreter whose scripts are not on the path."""

import sys

from levelfield.harness.cli.main import main

sys.exit(main())
