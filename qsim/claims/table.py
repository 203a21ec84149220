"""Every claim without a metric, by its name: those that a file can make, and those of Python alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qsim.claims import whole_run
from qsim.claims.alarms import fires
from qsim.claims.bottleneck import bottleneck
from qsim.claims.each_message import each_reply_matches_its_request, reaches, runs_at_most
from qsim.claims.whole_run import Claim
from qsim.metrics.numbers import Numbers

CLAIMS: dict[str, Callable[[Numbers, Any], Claim]] = {
    "no_message_lost": whole_run.no_message_lost,
    "at_most_once": whole_run.at_most_once,
    "at_least_once": whole_run.at_least_once,
    "in_order": whole_run.in_order,
    "little_law": whole_run.little_law,
    "stable": whole_run.stable,
    "runs_at_most": runs_at_most,
    "reaches": reaches,
    "each_reply_matches_its_request": each_reply_matches_its_request,
    "fires": fires,
    "bottleneck": bottleneck,
}
"""The first six stand in files too."""
