"""What is generated is up to date: run ``python -m qsim.scenario.schema`` where one of these fails."""

from pathlib import Path

import pytest

from qsim.scenario import schema, shape
from qsim.scenario.codes import CODES
from qsim.scenario.reference import METRICS

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.mark.parametrize(
    ("name", "text"), [(schema.SCHEMA_FILE, schema.schema_text), (schema.REFERENCE_FILE, schema.reference_markdown)]
)
def test_the_generated_files_are_not_stale(name, text):
    assert (SCENARIOS / name).read_text(encoding="utf-8") == text()


def test_the_schema_knows_every_key_and_no_other():
    queue = schema.schema()["$defs"]["Queue"]
    assert list(queue["properties"]) == shape.fields(("queues", "orders"))
    assert queue["additionalProperties"] is False
    assert "from" in schema.schema()["$defs"]["Consumer"]["required"]


def test_the_reference_has_every_metric_and_code():
    text = schema.reference_markdown()
    assert all(f"| `{name}` |" in text for metrics in METRICS.values() for name in metrics)
    assert all(f"| {code} |" in text for code in CODES)
