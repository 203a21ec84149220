"""Options that several commands share.  It knows their texts only."""

from __future__ import annotations

from typing import Annotated

import typer

AllowCode = Annotated[bool, typer.Option("--allow-code", help="Let the scenario run its own handlers.")]
