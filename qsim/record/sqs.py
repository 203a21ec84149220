"""Amazon SQS through boto3: the service itself, or what speaks its protocol (moto, ElasticMQ, LocalStack).

It knows calls of the client; what they mean is the simulator's business.  On this machine credentials are made up, as
no emulator looks at them; anywhere else they come from where boto3 always looks for them, and so does the region.
"""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from qsim.record.session import Driver, Got, Json, Result, Session

ATTRIBUTES = {
    "visibility": "VisibilityTimeout",
    "delay": "DelaySeconds",
    "wait": "ReceiveMessageWaitTimeSeconds",
    "retention": "MessageRetentionPeriod",
    "max_size": "MaximumMessageSize",
    "dedup_scope": "DeduplicationScope",
}
DEPTHS = {
    "ready": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}
_CONFIG = Config(retries={"max_attempts": 0}, read_timeout=40, max_pool_connections=32)
_MADE_UP = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}

# --- setting up -----------------------------------------------------------------------------------------------------


def connect(session: Session, service: str = "sqs") -> Any:
    is_here = urlsplit(session.url).hostname in ("127.0.0.1", "localhost", "::1")
    return boto3.client(service, endpoint_url=session.url, config=_CONFIG, **(_MADE_UP if is_here else {}))


def open_(url: str, config: Json) -> Session:
    """SQS knows no connections: all actors share a client (which threads may do)."""
    session = Session(url, config, lambda session, _name: session.admin, lambda _client: None)
    session.admin = connect(session)
    session.version = _version(url)
    session.notes["urls"], session.notes["arns"], session.notes["topics"] = {}, {}, {}
    for queue in config["queues"]:
        _make(session, queue)
    for topic, subscriptions in config.get("topics", {}).items():
        _make_topic(session, topic, subscriptions)
    return session


def _make(session: Session, queue: str) -> None:
    sqs, settings = session.admin, session.settings(queue)
    asked = _attributes(settings)
    redrive = {"deadLetterTarget": settings["dlq"], "maxReceiveCount": settings["max_receive"]} if "dlq" in settings else None
    session.native[queue] = {**asked, **({"RedrivePolicy": redrive} if redrive else {})}
    if redrive is not None:
        arn = session.notes["arns"][settings["dlq"]]
        asked["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": settings["max_receive"]})
    suffix = ".fifo" if "FifoQueue" in asked else ""
    url = sqs.create_queue(QueueName=f"{queue}-{session.unique}{suffix}", Attributes=asked)["QueueUrl"]
    session.cleanups.append(lambda: sqs.delete_queue(QueueUrl=url))
    session.notes["urls"][queue] = url
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    session.notes["arns"][queue] = answer["Attributes"]["QueueArn"]


def _attributes(settings: Json) -> dict[str, str]:
    fifo = {"FifoQueue": "true", "ContentBasedDeduplication": str(bool(settings.get("content_dedup"))).lower()}
    known = {name: str(settings[key]) for key, name in ATTRIBUTES.items() if key in settings}
    return {**(fifo if settings.get("type") == "fifo" else {}), **known}


def _make_topic(session: Session, topic: str, subscriptions: list[Json]) -> None:
    sns = connect(session, "sns")
    arn = sns.create_topic(Name=f"{topic}-{session.unique}")["TopicArn"]
    session.cleanups.append(lambda: sns.delete_topic(TopicArn=arn))
    session.notes["topics"][topic] = arn
    for each in subscriptions:
        wanted = {"FilterPolicy": json.dumps(each["filter"])} if "filter" in each else {}
        endpoint = session.notes["arns"][each["queue"]]
        sns.subscribe(
            TopicArn=arn, Protocol="sqs", Endpoint=endpoint, Attributes={"RawMessageDelivery": "true", **wanted}
        )


def _version(url: str) -> str:
    """The protocol does not tell; of an emulator on this machine the installed one is the best guess."""
    if urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"):
        return "Amazon SQS"
    try:
        return f"moto {version('moto')}"
    except PackageNotFoundError:
        return "an SQS emulator"


# --- the operations -------------------------------------------------------------------------------------------------


def send(
    session: Session,
    actor: str,
    queue: str,
    body: str | None = None,
    bodies: list[str] | None = None,
    delay: int | None = None,
    group: str | None = None,
    dedup: str | None = None,
    size: int | None = None,
) -> None:
    """SendMessage, of each body.  Without an id of its own, a message of a group has its body as deduplication id."""
    for text in [body or ""] if bodies is None else bodies:
        padded = text if size is None else text + "x" * (size - len(text))
        key = dedup if dedup is not None else _own_id(session, queue, text, group)
        more = _given(DelaySeconds=delay, MessageGroupId=group, MessageDeduplicationId=key)
        session.admin.send_message(QueueUrl=_url(session, queue), MessageBody=padded, **more)


def send_batch(session: Session, actor: str, queue: str, entries: list[dict[str, Any]]) -> Result:
    """SendMessageBatch."""
    answer = session.admin.send_message_batch(QueueUrl=_url(session, queue), Entries=[_entry(each) for each in entries])
    return {"ok_ids": [x["Id"] for x in answer.get("Successful", [])], "failed_ids": [x["Id"] for x in answer.get("Failed", [])]}


def publish(session: Session, actor: str, topic: str, body: str, attrs: Json | None = None) -> None:
    """SNS Publish."""
    attributes = {key: {"DataType": "String", "StringValue": value} for key, value in (attrs or {}).items()}
    connect(session, "sns").publish(TopicArn=session.notes["topics"][topic], Message=body, MessageAttributes=attributes)


def receive(
    session: Session, actor: str, queue: str, max: int = 1, wait: int = 0, visibility: int | None = None
) -> list[Got]:
    """ReceiveMessage."""
    more = _given(VisibilityTimeout=visibility)
    answer = session.admin.receive_message(
        QueueUrl=_url(session, queue),
        MaxNumberOfMessages=max,
        WaitTimeSeconds=wait,
        MessageSystemAttributeNames=["All"],
        **more,
    )
    return [_got(queue, each) for each in answer.get("Messages", [])]


def ack(session: Session, actor: str, handle: str) -> None:
    """DeleteMessage.  A handle that was never given out is sent as it stands."""
    queue, receipt = session.tokens.get(handle, (next(iter(session.notes["urls"])), handle))
    session.admin.delete_message(QueueUrl=_url(session, queue), ReceiptHandle=receipt)


def extend(session: Session, actor: str, handle: str, seconds: int) -> None:
    """ChangeMessageVisibility."""
    queue, receipt = session.tokens.get(handle, (next(iter(session.notes["urls"])), handle))
    session.admin.change_message_visibility(
        QueueUrl=_url(session, queue), ReceiptHandle=receipt, VisibilityTimeout=seconds
    )


def nack(session: Session, actor: str, handle: str) -> None:
    extend(session, actor, handle, 0)


def purge(session: Session, actor: str, queue: str) -> None:
    session.admin.purge_queue(QueueUrl=_url(session, queue))


def redrive(session: Session, actor: str, dlq: str) -> None:
    session.admin.start_message_move_task(SourceArn=session.notes["arns"][dlq])


def delete(session: Session, actor: str, queue: str) -> None:
    session.admin.delete_queue(QueueUrl=_url(session, queue))


def crash(session: Session, actor: str) -> None:
    """There is no connection that SQS would miss."""


def depth(session: Session, actor: str, queue: str) -> Result:
    """GetQueueAttributes."""
    answer = session.admin.get_queue_attributes(QueueUrl=_url(session, queue), AttributeNames=["All"])
    return {key: int(answer["Attributes"][name]) for key, name in DEPTHS.items()}


def code(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response["Error"]["Code"]).split(".")[-1]
    return type(error).__name__


DRIVER = Driver(
    "sqs",
    "http://127.0.0.1:5000",
    frozenset({"sqs-standard", "sqs-fifo"}),
    open_,
    receive,
    {
        "send": send,
        "send_batch": send_batch,
        "publish": publish,
        "ack": ack,
        "nack": nack,
        "extend": extend,
        "purge": purge,
        "redrive": redrive,
        "delete": delete,
        "crash": crash,
        "close": crash,
        "depth": depth,
    },
    code,
)

# --- small parts ----------------------------------------------------------------------------------------------------


def _url(session: Session, queue: str) -> str:
    found: str = session.notes["urls"][queue]
    return found


def _own_id(session: Session, queue: str, body: str, group: str | None) -> str | None:
    needs_one = group is not None and session.native[queue].get("ContentBasedDeduplication") == "false"
    return body if needs_one else None


def _given(**more: Any) -> dict[str, Any]:
    return {key: value for key, value in more.items() if value is not None}


def _entry(each: Json) -> dict[str, Any]:
    more = _given(
        DelaySeconds=each.get("delay"), MessageGroupId=each.get("group"), MessageDeduplicationId=each.get("dedup")
    )
    return {"Id": each["id"], "MessageBody": each["body"], **more}


def _got(queue: str, message: Json) -> Got:
    attributes = message["Attributes"]
    tells = {"count": int(attributes["ApproximateReceiveCount"]), "group": attributes.get("MessageGroupId")}
    return Got(message["Body"], (queue, message["ReceiptHandle"]), tells)
