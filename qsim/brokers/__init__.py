"""Which broker: profiles by name, with the rule behind each value."""

from __future__ import annotations

from qsim.brokers.cite import PROFILES, RULES
from qsim.brokers.ideal import IDEAL
from qsim.brokers.sqs import SQS_FIFO, SQS_STANDARD

__all__ = ["IDEAL", "PROFILES", "RULES", "SQS_FIFO", "SQS_STANDARD"]
