"""What stands in brackets behind an adapter's name tells apart what is not the same."""

from __future__ import annotations

import pytest
from report_factory import make_cell

CHANGES = [
    ({"environment": "older"}, "eager, older"),
    ({"variables": (("OMP_PROC_BIND", "true"),)}, "eager, OMP_PROC_BIND=true"),
    ({"track": "idiomatic"}, "eager, idiomatic"),
    ({"precision": "bfloat16"}, "eager, bfloat16"),
    ({"device": "gpu:0"}, "eager, gpu:0"),
    ({"replicas": 2, "replication": "ranks"}, "eager, 2 ranks"),
    ({"track": "idiomatic", "environment": "older"}, "eager, idiomatic, older"),
]


def test_what_is_as_usual_is_not_named():
    assert make_cell().how == make_cell().mode == "eager"


@pytest.mark.parametrize(("changes", "how"), CHANGES)
def test_plan_and_comparison_name_what_differs(changes, how):
    cell = make_cell(**changes)
    assert cell.how == how
    assert cell.line.endswith(f"({how})")
