"""Which broker: profiles by name, with the rule behind each value."""

from __future__ import annotations

from qsim.brokers.activemq import ACTIVEMQ_CLASSIC
from qsim.brokers.cite import PROFILES, RULES, VERSIONS
from qsim.brokers.ideal import IDEAL
from qsim.brokers.rabbitmq import RABBITMQ_CLASSIC, RABBITMQ_QUORUM
from qsim.brokers.redis import REDIS_LIST, REDIS_STREAM
from qsim.brokers.servicebus import AZURE_SERVICE_BUS
from qsim.brokers.sqs import SQS_FIFO, SQS_STANDARD

__all__ = [
    "ACTIVEMQ_CLASSIC",
    "AZURE_SERVICE_BUS",
    "IDEAL",
    "PROFILES",
    "RABBITMQ_CLASSIC",
    "RABBITMQ_QUORUM",
    "REDIS_LIST",
    "REDIS_STREAM",
    "RULES",
    "SQS_FIFO",
    "SQS_STANDARD",
    "VERSIONS",
]
