"""What brokers call the numbers that we call ``visible``, ``received`` and so on: for ``run --names broker``.

It knows words only: {profile: {our metric of a queue: their name}}, in the order in which they are shown.
"""

from __future__ import annotations

_SQS = {  # SQS metrics in CloudWatch, and GetQueueAttributes
    "visible": "ApproximateNumberOfMessagesVisible",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
    "oldest_age": "ApproximateAgeOfOldestMessage",
    "accepted": "NumberOfMessagesSent",
    "received": "NumberOfMessagesReceived",
    "acked": "NumberOfMessagesDeleted",
    "empty_receives": "NumberOfEmptyReceives",
}

NAMES: dict[str, dict[str, str]] = {
    "sqs-standard": _SQS,
    "sqs-fifo": _SQS | {"duplicates_suppressed": "NumberOfDeduplicatedSentMessages"},
}
