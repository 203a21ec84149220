"""Documented traces are kept apart from recorded ones, say where they come from, and leave no rule out."""

import json
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden"
DOCUMENTED = [json.loads(path.read_text()) for path in sorted((GOLDEN / "documented").rglob("*.json"))]


def test_each_says_that_it_is_documented_and_where():
    for trace in DOCUMENTED:
        assert trace["documented"] is True
        assert all(source.startswith(("ASB:", "ASB-net:", "github ")) for source in trace["source"])


def test_no_recorded_trace_says_so():
    recorded = [path for path in GOLDEN.rglob("*.json") if "documented" not in path.parts]
    assert recorded
    assert not any("documented" in json.loads(path.read_text()) for path in recorded)


def test_every_rule_has_one():
    assert {trace["rule"] for trace in DOCUMENTED} == {f"ASB-{n}" for n in range(1, 27)}
