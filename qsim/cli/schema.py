"""``qsim schema``: the JSON Schema of a scenario, for editors."""

from __future__ import annotations

from qsim.cli.ends import Exit
from qsim.cli.terminal import out


def command() -> int:
    """Print the JSON Schema of the scenario format (for editors)."""
    import json

    from qsim.scenario.schema import schema

    out(json.dumps(schema(), indent=2, ensure_ascii=False))
    return Exit.OK
