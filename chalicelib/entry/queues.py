"""What comes over queues: events to decide, journeys that owe something, alarms, and news of mail.

A handler raises when a message could not be dealt with, so that it comes again and at last goes to the dead-letter
queue. The functions take one message at a time: then nothing depends on a partial batch being reported, which Chalice
cannot set up.
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

Records = dict[str, Any]


def bodies(records: Records) -> list[str]:
    """Return the bodies of an SQS event."""
    return [record["body"] for record in records["Records"]]


class Consumer:
    """Deals with the messages of each queue."""

    def __init__(self, worker: Worker, epochs: Epochs, now: Callable[[], datetime]) -> None:
        """Keep the worker."""
        self._worker = worker
        self._epochs = epochs
        self._now = now

    def inbox(self, records: Records) -> None:
        """Decide events from the bus, and those that a page could not commit.

        Raises BadInput for what is neither, and ActRefused for an act that nobody is waiting for any more: both end
        in the dead-letter queue, where a person sees them.
        """
        for body in bodies(records):
            self._worker.run(self._event(body))

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
        for body in bodies(records):
            feedback.take(body, self._worker)

    def reconcile(self, records: Records) -> None:
        """Find alarms that never rang and effects that a crash left owed, and do them."""
        del records
        self._worker.reconcile(self._now())
