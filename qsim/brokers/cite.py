"""How a profile is written down: each choice with the rule that it comes from."""

from __future__ import annotations

from typing import Any

from qsim.kernel.profile import Profile

PROFILES: dict[str, Profile] = {}
RULES: dict[str, dict[str, str]] = {}
"""RULES[profile][field]: the rule behind a value that is not the plain default."""


def profile(name: str, **choices: tuple[Any, str]) -> Profile:
    """A profile whose every choice is ``field=(value, rule)``; registered under its name."""
    made = Profile(name, **{field: value for field, (value, _) in choices.items()})
    PROFILES[name] = made
    RULES[name] = {field: rule for field, (_, rule) in choices.items()}
    return made
