"""Where pages and API calls hand in their events: committed at once, else kept for the worker, else refused openly."""

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.effects.queue import Queues
from chalicelib.journey.events import Event
from chalicelib.pipeline import Handled, Pipeline
from chalicelib.store.errors import Conflict

#: What is raised while AWS cannot be had.
OUTSIDE = (Conflict, ClientError, BotoCoreError, OSError)


class Unavailable(Exception):
    """Neither the table nor the queue could be had: nothing was stored, and the caller must know."""


class Desk:
    """Decides and commits, and wakes the worker. It can send no mail and set no alarm."""

    def __init__(self, pipeline: Pipeline, queues: Queues) -> None:
        """Keep the pipeline and the queues."""
        self.pipeline = pipeline
        self._queues = queues

    def hand_in(self, event: Event) -> Handled | None:
        """Commit the event and wake the worker; returns None when it was only kept for the worker.

        Raises ActRefused as decide does, and Unavailable when nothing could be stored.
        """
        try:
            handled = self.pipeline.handle(event)
        except OUTSIDE:
            self.keep(event)
            return None
        if handled.owed:
            self.wake(handled.owed[0].pk)
        return handled

    def keep(self, event: Event) -> None:
        """Keep an event for the worker, who commits it when the table is back; raises Unavailable."""
        try:
            self._queues.keep(event)
        except OUTSIDE as error:
            raise Unavailable from error
        noted = {"journey_id": event.journey_id, "event": type(event).__name__}
        self.pipeline.log.warning("could not commit; kept for the worker", extra=noted)

    def wake(self, pk: str) -> None:
        """Ask the worker to perform what is owed there.

        It is in the table: should the message be lost, the reconciler performs it minutes later.
        """
        try:
            self._queues.wake(pk)
        except OUTSIDE:
            self.pipeline.log.warning("could not wake the worker", extra={"owes": pk})
