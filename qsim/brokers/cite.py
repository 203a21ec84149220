"""How a profile is written down: each choice with the rule that it comes from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qsim.kernel.profile import Profile

PROFILES: dict[str, Profile] = {}
VERSIONS: dict[str, dict[str, Profile]] = {}
"""VERSIONS[profile][version]: as PROFILES, where a broker's rules have changed and an older one can be asked for."""
RULES: dict[str, dict[str, str]] = {}
"""RULES[profile][field]: the rule behind a value that is not the plain default."""


def profile(name: str, /, **choices: tuple[Any, str]) -> Profile:
    """A profile whose every choice is ``field=(value, rule)``; registered under its name."""
    made = Profile(name, **{field: value for field, (value, _) in choices.items()})
    PROFILES[name] = made
    RULES[name] = {field: rule for field, (_, rule) in choices.items()}
    return made


def version(of: Profile, number: str, /, **choices: tuple[Any, str]) -> Profile:
    """The same broker before its rules changed: what was different then."""
    made = replace(of, **{field: value for field, (value, _) in choices.items()})
    VERSIONS.setdefault(of.name, {})[number] = made
    RULES[of.name] = {field: rule for field, (_, rule) in choices.items()} | RULES[of.name]
    return made
