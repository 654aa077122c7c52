"""What comes over queues: events to decide, journeys that owe something, alarms, and news of mail.

A handler raises when a message could not be dealt with, so that it comes again. At the last try a message that may name
a customer is put aside in the table, and a reference to it goes to the dead-letter queue; should the table be what is
missing, SQS moves the message there as it is. The functions take one message at a time: then nothing depends on a
partial batch being reported, which Chalice cannot set up.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.entry import decode, feedback
from chalicelib.entry.decode import Epochs
from chalicelib.journey import events
from chalicelib.journey.events import Event
from chalicelib.pipeline import Worker
from chalicelib.store.quarantine import PutAside, Quarantine

Records = dict[str, Any]
#: How often SQS hands a message over before it moves it to the dead-letter queue (`maxReceiveCount` in the template).
LAST_TRY = 5


def bodies(records: Records) -> list[str]:
    """Return the bodies of an SQS event."""
    return [record["body"] for record in records["Records"]]


def _tries(record: dict[str, Any]) -> int:
    return int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))


class _Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lies in the dead-letter queue in place of a message: sent back, it is the message again."""

    put_aside: str


_references = msgspec.json.Decoder(_Reference)


class Consumer:
    """Deals with the messages of each queue."""

    def __init__(
        self,
        worker: Worker,
        epochs: Epochs,
        quarantine: Quarantine,
        bury: Callable[[str], None],
        now: Callable[[], datetime],
    ) -> None:
        """Keep the worker, where messages are put aside, and what puts a reference into the dead-letter queue."""
        self._worker = worker
        self._epochs = epochs
        self._quarantine = quarantine
        self._bury = bury
        self._now = now
        self._decide_on = {"inbox": self._decide, "feedback": self._settle}

    def inbox(self, records: Records) -> None:
        """Decide events from the bus, and those that a page could not commit.

        Raises BadInput for what is neither, and ActRefused for an act that nobody is waiting for any more: both are
        put aside at last, where a person sees them.
        """
        self._deal_with("inbox", records)

    def _deal_with(self, queue: str, records: Records) -> None:
        """Deal with messages that may name a customer; at the last try put them aside."""
        for record in records["Records"]:
            reference = _reference(record["body"])
            if reference is not None:
                self._take_back(reference)
                continue
            try:
                self._decide_on[queue](record["body"])
            except Exception as error:
                if _tries(record) < LAST_TRY:
                    raise
                self._put_aside(PutAside(queue, record["body"]), error)

    def _put_aside(self, message: PutAside, error: Exception) -> None:
        """Keep the message in the table, then its reference in the queue: dying between the two repeats both."""
        why = type(error).__name__
        name = self._quarantine.put(message, why, self._now())
        self._bury(msgspec.json.encode(_Reference(name)).decode())
        noted = {"put_aside": name, "queue": message.queue, "why": why}
        self._worker.pipeline.log.warning("could not be dealt with; put aside", extra=noted)

    def _take_back(self, reference: _Reference) -> None:
        """Deal with a message that was put aside and is sent back; one that is gone was dealt with before."""
        message = self._quarantine.get(reference.put_aside)
        if message is not None:
            self._decide_on[message.queue](message.body)
            self._quarantine.drop(reference.put_aside)

    def _decide(self, body: str) -> None:
        self._worker.run(self._event(body))

    def _settle(self, body: str) -> None:
        feedback.take(body, self._worker)

    def _event(self, body: str) -> Event:
        """Read one of our own events, or an event of the bus (``detail-type`` and ``detail``)."""
        try:
            told = json.loads(body)
            if isinstance(told, dict) and "detail-type" in told:
                return decode.bus_event(body.encode(), self._epochs, self._now())
            return events.load(body)
        except (ValueError, RecursionError, msgspec.DecodeError) as error:
            message = f"neither an event of ours nor of the bus: {error}"
            raise decode.BadInput(message) from error

    def work(self, records: Records) -> None:
        """Perform what a journey or person owes since a page or call committed."""
        for body in bodies(records):
            self._worker.perform_owed(json.loads(body)["owes"])

    def alarms(self, records: Records) -> None:
        """Wake the journeys whose alarm rang."""
        for body in bodies(records):
            self._worker.ring(json.loads(body)["journey_id"], self._now())

    def feedback(self, records: Records) -> None:
        """Settle mails by what the mail service says became of them."""
        self._deal_with("feedback", records)

    def reconcile(self, records: Records) -> None:
        """Find alarms that never rang and effects that a crash left owed, and do them."""
        del records
        self._worker.reconcile(self._now())


def _reference(body: str) -> _Reference | None:
    try:
        return _references.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
