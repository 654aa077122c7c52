"""The SQS client: standard queues, at least once, with visibility timeouts and dead-letter queues.

Limits: Amazon SQS Developer Guide, "Amazon SQS message quotas" and "queue parameters".
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import md5
from heapq import heappop, heappush
from itertools import count
from typing import Any, ClassVar, Final, NoReturn, Unpack
from uuid import UUID

from local.aws import shapes
from local.aws.calls import Client, Meter, Response, operation
from local.aws.errors import Refused, malformed
from local.aws.values import text_bytes

MAX_MESSAGE_BYTES: Final = 1024 * 1024
MAX_BATCH: Final = 10
MAX_ATTRIBUTES: Final = 10
MAX_DELAY_SECONDS: Final = 900
MAX_VISIBILITY_SECONDS: Final = 43_200
MAX_WAIT_SECONDS: Final = 20
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}\Z", re.ASCII).match
_ENTRY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}\Z", re.ASCII).match
#: What SQS does not accept in a message: everything outside XML 1.0's characters.
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]").search
#: Attribute → (default, lowest, highest).
_NUMBERS: Final = {
    "VisibilityTimeout": (30, 0, MAX_VISIBILITY_SECONDS),
    "DelaySeconds": (0, 0, MAX_DELAY_SECONDS),
    "MessageRetentionPeriod": (345_600, 60, 1_209_600),
    "MaximumMessageSize": (MAX_MESSAGE_BYTES, 1024, MAX_MESSAGE_BYTES),
    "ReceiveMessageWaitTimeSeconds": (0, 0, MAX_WAIT_SECONDS),
}
_OTHERS: Final = frozenset(
    {
        "RedrivePolicy",
        "RedriveAllowPolicy",
        "Policy",
        "SqsManagedSseEnabled",
        "KmsMasterKeyId",
        "KmsDataKeyReusePeriodSeconds",
    }
)


@dataclass(slots=True)
class Message:
    """A message in a queue; `turn` changes whenever its place in the queue does."""

    message_id: str
    body: str
    attributes: dict[str, Any]
    sent_at: datetime
    visible_at: datetime
    turn: int
    receives: int = 0
    first_received: datetime | None = None
    in_flight: bool = False


@dataclass(slots=True)
class Queue:
    """One queue; the heap holds (visible from, turn, message), and entries of an old turn mean nothing."""

    name: str
    url: str
    arn: str
    attributes: dict[str, str]
    created: datetime
    messages: dict[str, Message] = field(default_factory=dict)
    heap: list[tuple[datetime, int, Message]] = field(default_factory=list)

    def seconds(self, attribute: str) -> int:
        """Return an attribute that is a number, most of them seconds."""
        return int(self.attributes.get(attribute, _NUMBERS[attribute][0]))

    @property
    def redrive(self) -> tuple[str, int] | None:
        """The ARN of the dead-letter queue and how many receives a message has here."""
        policy = self.attributes.get("RedrivePolicy")
        if not policy:
            return None
        rules = json.loads(policy)
        return rules["deadLetterTargetArn"], int(rules["maxReceiveCount"])

    def place(self, message: Message, visible_at: datetime, turn: int) -> None:
        """Put a message where it is next visible."""
        message.visible_at, message.turn = visible_at, turn
        self.messages[message.message_id] = message
        heappush(self.heap, (visible_at, turn, message))

    def first(self) -> Message | None:
        """Return the message that is visible soonest, in flight or not."""
        while self.heap:
            _, turn, message = self.heap[0]
            if message.turn == turn and message.message_id in self.messages:
                return message
            heappop(self.heap)
        return None


class SQS(Client):
    """Queues in memory."""

    service: ClassVar[str] = "sqs"

    def __init__(self, meter: Meter, region: str, account_id: str) -> None:
        """Take the meter and what URLs and ARNs are made of."""
        super().__init__(meter)
        self._arn_prefix = f"arn:aws:sqs:{region}:{account_id}"
        self._url_prefix = f"https://sqs.{region}.amazonaws.com/{account_id}"
        self._queues: dict[str, Queue] = {}
        self._turns = count()
        self._ids = count(1)

    @operation(shapes.CreateQueue)
    def create_queue(self, **params: Unpack[shapes.CreateQueue]) -> Response:
        """Create a queue, or find the one of that name with those attributes."""
        name, attributes = params["QueueName"], dict(params.get("Attributes", {}))
        if not _NAME(name):
            _invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
        self._check_attributes(attributes)
        known = self._queues.get(name)
        if known is None:
            known = Queue(
                name, f"{self._url_prefix}/{name}", f"{self._arn_prefix}:{name}", attributes, self.meter.clock()
            )
            self._queues[name] = known
        elif any(known.attributes.get(key) != value for key, value in attributes.items()):
            raise Refused(
                "QueueAlreadyExists", "A queue already exists with the same name and a different value for an attribute"
            )
        return {"QueueUrl": known.url}

    @operation(shapes.GetQueueUrl)
    def get_queue_url(self, **params: Unpack[shapes.GetQueueUrl]) -> Response:
        """Find a queue by its name."""
        if params["QueueName"] not in self._queues:
            _no_queue()
        return {"QueueUrl": self._queues[params["QueueName"]].url}

    @operation(shapes.ListQueues)
    def list_queues(self, **params: Unpack[shapes.ListQueues]) -> Response:
        """List the queues whose name begins with a prefix."""
        prefix = params.get("QueueNamePrefix", "")
        urls = [queue.url for name, queue in sorted(self._queues.items()) if name.startswith(prefix)]
        return {"QueueUrls": urls} if urls else {}

    @operation(shapes.QueueUrl)
    def delete_queue(self, **params: Unpack[shapes.QueueUrl]) -> Response:
        """Delete a queue with its messages."""
        del self._queues[self._queue(params["QueueUrl"]).name]
        return {}

    @operation(shapes.QueueUrl)
    def purge_queue(self, **params: Unpack[shapes.QueueUrl]) -> Response:
        """Delete all messages of a queue."""
        self._queue(params["QueueUrl"]).messages.clear()
        return {}

    @operation(shapes.GetQueueAttributes)
    def get_queue_attributes(self, **params: Unpack[shapes.GetQueueAttributes]) -> Response:
        """Tell a queue's attributes; the counts are exact, where AWS's are approximate."""
        queue, asked = self._queue(params["QueueUrl"]), params.get("AttributeNames", ())
        known = self._attributes(queue)
        unknown = set(asked) - known.keys() - _OTHERS - {"All"}
        if unknown:
            raise Refused("InvalidAttributeName", f"Unknown Attribute {min(unknown)}.")
        found = {name: value for name, value in known.items() if "All" in asked or name in asked}
        return {"Attributes": found} if found else {}

    @operation(shapes.SetQueueAttributes)
    def set_queue_attributes(self, **params: Unpack[shapes.SetQueueAttributes]) -> Response:
        """Change a queue's attributes."""
        queue, attributes = self._queue(params["QueueUrl"]), dict(params["Attributes"])
        self._check_attributes(attributes)
        queue.attributes.update(attributes)
        return {}

    @operation(shapes.SendMessage)
    def send_message(self, **params: Unpack[shapes.SendMessage]) -> Response:
        """Put one message into a queue."""
        queue = self._queue(params["QueueUrl"])
        _check_message(queue, params)
        return self._send(queue, params)

    @operation(shapes.Batch)
    def send_message_batch(self, **params: Unpack[shapes.Batch]) -> Response:
        """Put up to 10 messages into a queue, each for itself; together at most 1 MiB."""
        queue, entries = self._queue(params["QueueUrl"]), params["Entries"]
        _check_batch(entries)
        if sum(_bytes_of(entry) for entry in entries) > MAX_MESSAGE_BYTES:
            _refuse_batch("BatchRequestTooLong", f"Batch requests cannot be longer than {MAX_MESSAGE_BYTES} bytes.")
        return self._each(entries, lambda entry: self._send_entry(queue, entry))

    @operation(shapes.ReceiveMessage)
    def receive_message(self, **params: Unpack[shapes.ReceiveMessage]) -> Response:
        """Take up to 10 visible messages into flight; a wait answers at once, for the clock does not move by itself."""
        queue = self._queue(params["QueueUrl"])
        most = params.get("MaxNumberOfMessages", 1)
        if not 1 <= most <= MAX_BATCH:
            _invalid(
                f"Value {most} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and "
                f"{MAX_BATCH}, if provided."
            )
        visibility = params.get("VisibilityTimeout", queue.seconds("VisibilityTimeout"))
        _check_number("VisibilityTimeout", visibility, 0, MAX_VISIBILITY_SECONDS)
        _check_number("WaitTimeSeconds", params.get("WaitTimeSeconds", 0), 0, MAX_WAIT_SECONDS)
        received = self._take(queue, most, timedelta(seconds=visibility))
        return {"Messages": [_shown(queue, message, params) for message in received]} if received else {}

    @operation(shapes.DeleteMessage)
    def delete_message(self, **params: Unpack[shapes.DeleteMessage]) -> Response:
        """Delete a message by its latest receipt handle; an older handle succeeds and deletes nothing."""
        self._delete(self._queue(params["QueueUrl"]), params["ReceiptHandle"])
        return {}

    @operation(shapes.Batch)
    def delete_message_batch(self, **params: Unpack[shapes.Batch]) -> Response:
        """Delete up to 10 messages, each for itself."""
        queue, entries = self._queue(params["QueueUrl"]), params["Entries"]
        _check_batch(entries)
        return self._each(entries, lambda entry: self._delete(queue, entry["ReceiptHandle"]))

    @operation(shapes.ChangeMessageVisibility)
    def change_message_visibility(self, **params: Unpack[shapes.ChangeMessageVisibility]) -> Response:
        """Let a message in flight be visible again so many seconds from now; 0 to 12 hours."""
        queue, seconds = self._queue(params["QueueUrl"]), params["VisibilityTimeout"]
        _check_number("VisibilityTimeout", seconds, 0, MAX_VISIBILITY_SECONDS)
        message_id, receives = _parsed_handle(queue, params["ReceiptHandle"])
        message, now = queue.messages.get(message_id), self.meter.clock()
        if message is None or not message.in_flight or message.receives != receives or message.visible_at <= now:
            _invalid(
                f"Value {params['ReceiptHandle']} for parameter ReceiptHandle is invalid. "
                "Reason: Message does not exist or is not available for visibility timeout change.",
            )
        message.in_flight = seconds > 0
        queue.place(message, now + timedelta(seconds=seconds), next(self._turns))
        return {}

    def deliver(self, arn: str, body: str) -> None:
        """Put a message into the queue of an ARN, as another service of the account would; uncounted."""
        with self.meter.lock:
            queue = self.by_arn(arn)
            if queue is None:
                _no_queue()
            self._send(queue, {"MessageBody": body})

    def by_arn(self, arn: str) -> Queue | None:
        """Return the queue of an ARN."""
        queue = self._queues.get(arn.rpartition(":")[2])
        return queue if queue is not None and queue.arn == arn else None

    def next_visible_at(self, queue_url: str) -> datetime | None:
        """Return when the next message can be received, counting those in flight; None when the queue is empty."""
        with self.meter.lock:
            message = self._queue(queue_url).first()
            return message.visible_at if message is not None else None

    def depth(self, queue_url: str) -> int:
        """Return how many messages a queue holds: visible, delayed and in flight."""
        return len(self._queue(queue_url).messages)

    def redrive(self, dlq_url: str) -> int:
        """Move all messages of a dead-letter queue back to the queue that names it; return how many."""
        with self.meter.lock:
            dead = self._queue(dlq_url)
            sources = [queue for queue in self._queues.values() if queue.redrive and queue.redrive[0] == dead.arn]
            if len(sources) != 1:
                _invalid(
                    f"{len(sources)} queues have {dead.name} as their dead-letter queue, so it is unclear where to move"
                )
            moved = list(dead.messages.values())
            for message in moved:
                self._move(message, dead, sources[0])
            return len(moved)

    def _queue(self, url: str) -> Queue:
        queue = self._queues.get(url.rpartition("/")[2])
        if queue is None or queue.url != url:
            _no_queue()
        return queue

    def _check_attributes(self, attributes: Mapping[str, str]) -> None:
        for name, value in attributes.items():
            if not isinstance(value, str):
                malformed(f"Invalid type for parameter Attributes.{name}, value: {value}, valid types: <class 'str'>")
            if name in _NUMBERS:
                _check_attribute_number(name, value)
            elif name not in _OTHERS:
                raise Refused("InvalidAttributeName", f"Unknown Attribute {name}.")
        if attributes.get("RedrivePolicy"):
            self._check_redrive(attributes["RedrivePolicy"])

    def _check_redrive(self, policy: str) -> None:
        try:
            rules = json.loads(policy)
            arn, most = str(rules["deadLetterTargetArn"]), int(rules["maxReceiveCount"])
        except (ValueError, TypeError, KeyError):
            _invalid(
                f"Value {policy} for parameter RedrivePolicy is invalid. Reason: Redrive policy is not a valid JSON "
                "map."
            )
        if not 1 <= most <= 1000:  # noqa: PLR2004 - SQS's own bounds, used nowhere else
            _invalid(
                f"Value {policy} for parameter RedrivePolicy is invalid. Reason: Invalid value for maxReceiveCount: "
                f"{most}"
            )
        if self.by_arn(arn) is None:
            _invalid(
                f"Value {policy} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist."
            )

    def _attributes(self, queue: Queue) -> dict[str, str]:
        """Return all attributes, the counts as of now."""
        now, messages = self.meter.clock(), queue.messages.values()
        flying = sum(message.in_flight and message.visible_at > now for message in messages)
        delayed = sum(not message.in_flight and message.visible_at > now for message in messages)
        stamp = str(int(queue.created.timestamp()))
        return {
            "QueueArn": queue.arn,
            "ApproximateNumberOfMessages": str(len(messages) - flying - delayed),
            "ApproximateNumberOfMessagesNotVisible": str(flying),
            "ApproximateNumberOfMessagesDelayed": str(delayed),
            "CreatedTimestamp": stamp,
            "LastModifiedTimestamp": stamp,
            **{name: str(queue.seconds(name)) for name in _NUMBERS},
            **{name: value for name, value in queue.attributes.items() if name in _OTHERS},
        }

    def _send(self, queue: Queue, entry: Mapping[str, Any]) -> Response:
        now, body = self.meter.clock(), entry["MessageBody"]
        delay = entry.get("DelaySeconds", queue.seconds("DelaySeconds"))
        message_id = str(UUID(int=next(self._ids), version=4))
        attributes = {name: dict(value) for name, value in entry.get("MessageAttributes", {}).items()}
        message = Message(message_id, body, attributes, now, now, 0)
        queue.place(message, now + timedelta(seconds=delay), next(self._turns))
        return {"MessageId": message_id, "MD5OfMessageBody": _digest(body)}

    def _send_entry(self, queue: Queue, entry: Mapping[str, Any]) -> Response:
        _check_message(queue, entry)
        return self._send(queue, entry)

    def _each(self, entries: Sequence[Mapping[str, Any]], act: Any) -> Response:
        """Do every entry of a batch; a refused one is listed as failed."""
        response: Response = {"Successful": [], "Failed": []}
        for entry in entries:
            try:
                response["Successful"].append({"Id": entry["Id"], **(act(entry) or {})})
            except Refused as refusal:
                failed = {"Id": entry["Id"], "SenderFault": True, "Code": refusal.code, "Message": refusal.message}
                response["Failed"].append(failed)
        return {name: listed for name, listed in response.items() if listed}

    def _take(self, queue: Queue, most: int, visibility: timedelta) -> list[Message]:
        """Take visible messages into flight; the exhausted go to the dead-letter queue and the outdated are gone."""
        now, taken = self.meter.clock(), list[Message]()
        retention = timedelta(seconds=queue.seconds("MessageRetentionPeriod"))
        redrive = queue.redrive
        while len(taken) < most:
            message = queue.first()
            if message is None or message.visible_at > now:
                break
            heappop(queue.heap)
            if message.sent_at + retention <= now:
                del queue.messages[message.message_id]
            elif redrive is not None and message.receives >= redrive[1]:
                self._bury(message, queue, redrive[0])
            else:
                taken.append(message)
        for message in taken:
            self._fly(queue, message, now, visibility)
        return taken

    def _fly(self, queue: Queue, message: Message, now: datetime, visibility: timedelta) -> None:
        message.receives += 1
        message.first_received = message.first_received or now
        message.in_flight = visibility > timedelta(0)
        queue.place(message, now + visibility, next(self._turns))

    def _bury(self, message: Message, queue: Queue, arn: str) -> None:
        dead = self.by_arn(arn)
        if dead is not None:
            self._move(message, queue, dead)

    def _move(self, message: Message, source: Queue, target: Queue) -> None:
        del source.messages[message.message_id]
        # A copy: the heap of the source may still hold the message.
        moved = Message(message.message_id, message.body, message.attributes, message.sent_at, self.meter.clock(), 0)
        target.place(moved, moved.visible_at, next(self._turns))

    def _delete(self, queue: Queue, handle: str) -> None:
        message_id, receives = _parsed_handle(queue, handle)
        message = queue.messages.get(message_id)
        if message is not None and message.receives == receives:
            del queue.messages[message_id]


def _invalid(message: str) -> NoReturn:
    raise Refused("InvalidParameterValue", message)


def _no_queue() -> NoReturn:
    raise Refused("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")


def _refuse_batch(code: str, message: str) -> NoReturn:
    raise Refused(f"AWS.SimpleQueueService.{code}", message)


def _check_number(name: str, value: int, lowest: int, highest: int) -> None:
    if not lowest <= value <= highest:
        _invalid(
            f"Value {value} for parameter {name} is invalid. Reason: Must be between {lowest} and {highest}, if "
            "provided."
        )


def _check_attribute_number(name: str, value: str) -> None:
    _, lowest, highest = _NUMBERS[name]
    if not value.isdigit() or not lowest <= int(value) <= highest:
        raise Refused("InvalidAttributeValue", f"Invalid value for the parameter {name}.")


def _check_batch(entries: Sequence[Mapping[str, Any]]) -> None:
    if not entries:
        _refuse_batch("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > MAX_BATCH:
        _refuse_batch(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MAX_BATCH}. You have sent {len(entries)}.",
        )
    if len({entry["Id"] for entry in entries}) != len(entries):
        _refuse_batch("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
    if not all(_ENTRY_ID(entry["Id"]) for entry in entries):
        _refuse_batch(
            "InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores."
        )


def _bytes_of(entry: Mapping[str, Any]) -> int:
    """Return what counts towards a message's size: the body and the names, types and values of its attributes."""
    attributes = entry.get("MessageAttributes", {})
    extra = sum(
        text_bytes(name)
        + text_bytes(value["DataType"])
        + text_bytes(value.get("StringValue", ""))
        + len(value.get("BinaryValue", b""))
        for name, value in attributes.items()
    )
    return text_bytes(entry["MessageBody"]) + extra


def _check_message(queue: Queue, entry: Mapping[str, Any]) -> None:
    body = entry["MessageBody"]
    if not isinstance(body, str):
        malformed(f"Invalid type for parameter MessageBody, type: {type(body).__name__}, valid types: <class 'str'>")
    _check_number("DelaySeconds", entry.get("DelaySeconds", 0), 0, MAX_DELAY_SECONDS)
    if not body:
        raise Refused("MissingParameter", "The request must contain the parameter MessageBody.")
    if _FORBIDDEN(body):
        raise Refused("InvalidMessageContents", "The message contains characters outside the allowed set.")
    limit = queue.seconds("MaximumMessageSize")
    if _bytes_of(entry) > limit:
        _invalid(f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes.")
    _check_message_attributes(entry.get("MessageAttributes", {}))


def _check_message_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> None:
    if len(attributes) > MAX_ATTRIBUTES:
        _invalid(f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{MAX_ATTRIBUTES}].")
    for name, value in attributes.items():
        kind = value.get("DataType", "").partition(".")[0]
        if kind not in {"String", "Number", "Binary"}:
            _invalid(
                f"The type of message attribute '{name}' is invalid. You must use only the following supported type "
                "prefixes: Binary, Number, String."
            )
        if not value.get("BinaryValue" if kind == "Binary" else "StringValue"):
            _invalid(f"The message attribute '{name}' must contain a non-empty value of type '{kind}'.")


def _digest(body: str) -> str:
    return md5(body.encode(), usedforsecurity=False).hexdigest()


def _handle(queue: Queue, message: Message) -> str:
    return f"{queue.name}/{message.message_id}/{message.receives}"


def _parsed_handle(queue: Queue, handle: str) -> tuple[str, int]:
    """Return the message and the receive that a handle is from; refuse what this queue never gave."""
    name, _, rest = handle.partition("/")
    message_id, _, receives = rest.partition("/")
    if name != queue.name or not receives.isdigit():
        raise Refused("ReceiptHandleIsInvalid", f"The input receipt handle is invalid: {handle}")
    return message_id, int(receives)


def _shown(queue: Queue, message: Message, params: Mapping[str, Any]) -> Response:
    """Return a received message with the attributes that were asked for, and no others."""
    shown: Response = {
        "MessageId": message.message_id,
        "ReceiptHandle": _handle(queue, message),
        "MD5OfBody": _digest(message.body),
        "Body": message.body,
    }
    asked = {*params.get("AttributeNames", ()), *params.get("MessageSystemAttributeNames", ())}
    system = {name: value for name, value in _system_attributes(message).items() if "All" in asked or name in asked}
    wanted = params.get("MessageAttributeNames", ())
    own = {
        name: dict(value) for name, value in message.attributes.items() if any(_matches(name, each) for each in wanted)
    }
    return shown | ({"Attributes": system} if system else {}) | ({"MessageAttributes": own} if own else {})


def _matches(name: str, wanted: str) -> bool:
    return wanted in {"All", ".*", name} or (wanted.endswith(".*") and name.startswith(wanted[:-1]))


def _system_attributes(message: Message) -> dict[str, str]:
    return {
        "SenderId": "AROAEXAMPLE:aftercare",
        "SentTimestamp": _millis(message.sent_at),
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": _millis(message.first_received or message.sent_at),
    }


def _millis(instant: datetime) -> str:
    return str(int(instant.timestamp() * 1000))
