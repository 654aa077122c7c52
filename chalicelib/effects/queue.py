"""What is put into queues: wake the worker, keep this event while the table is away, this nobody can deal with."""

import json
from typing import Any

from chalicelib.boundary import Boundary, straight
from chalicelib.journey import events
from chalicelib.journey.events import Event


class Queues:
    """Sends to the work queue, to the inbox, and to the inbox's dead-letter queue."""

    def __init__(self, client: Any, work_url: str, inbox_url: str, boundary: Boundary = straight) -> None:
        """Keep the SQS client and the two addresses."""
        self._client = client
        self._work_url = work_url
        self._inbox_url = inbox_url
        self._boundary = boundary

    def wake(self, pk: str) -> None:
        """Ask the worker to perform what this journey or person owes.

        Should the message be lost, the reconciler performs it minutes later.
        """
        body = json.dumps({"owes": pk})
        self._boundary("wake", lambda: self._client.send_message(QueueUrl=self._work_url, MessageBody=body))

    def keep(self, event: Event) -> None:
        """Keep a decoded event for the worker, because it could not be committed here."""
        body = events.dump(event).decode()
        self._boundary("keep", lambda: self._client.send_message(QueueUrl=self._inbox_url, MessageBody=body))

    def bury(self, reference: str) -> None:
        """Put a reference to what was put aside where an alarm sees it; sent back, it comes to the inbox.

        The template names a dead-letter queue after its queue.
        """
        dead = f"{self._inbox_url}-dead"
        self._boundary("bury", lambda: self._client.send_message(QueueUrl=dead, MessageBody=reference))
