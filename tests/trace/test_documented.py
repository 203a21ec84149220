"""Documented traces are kept apart from recorded ones, say where they come from, and leave no rule of Service Bus out."""

import json
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden"
SOURCES = ("ASB:", "ASB-net:", "AWS-API:", "AWS-DG:", "RMQ:", "REDIS:", "REDIS-src@", "github ")
DOCUMENTED = [json.loads(path.read_text()) for path in sorted((GOLDEN / "documented").rglob("*.json"))]


def test_each_says_that_it_is_documented_and_where():
    for trace in DOCUMENTED:
        assert trace["documented"] is True
        assert all(source.startswith(SOURCES) for source in trace["source"])


def test_no_recorded_trace_says_so():
    recorded = [path for path in GOLDEN.rglob("*.json") if "documented" not in path.parts]
    assert recorded
    assert not any("documented" in json.loads(path.read_text()) for path in recorded)


def test_every_rule_of_a_broker_that_was_never_recorded_has_one():
    rules = {trace["rule"] for trace in DOCUMENTED if trace["broker"] == "azure-service-bus"}
    assert rules == {f"ASB-{n}" for n in range(1, 27)}
