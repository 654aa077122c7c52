"""The daily reconciliation with the account's suppression list: what a lost bounce or complaint left out is made good.

SES publishes its events at best effort, but keeps the list by itself. Every entry that the table does not know yet
suppresses its address; where the address is somebody's, one of their journeys hears of it as of any other bounce or
complaint, and tells their others. An entry that was taken off the list changes nothing here: a person decided that the
address works, and only mail to it would show.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from chalicelib.journey.events import Event, MailBounced, MailComplained, stable_id
from chalicelib.journey.state import Suppression
from chalicelib.pipeline import Pipeline
from chalicelib.store.counters import Counters


class Entry(Protocol):
    """One address of the list."""

    @property
    def email(self) -> str:
        """Return the address."""

    @property
    def complaint(self) -> bool:
        """Say whether it is there for a complaint."""

    @property
    def at(self) -> datetime:
        """Return since when."""


class Reader(Protocol):
    """Reads the list of the account."""

    def since(self, start: datetime | None) -> Iterable[Sequence[Entry]]:
        """Yield the entries since then, a page at a time."""


class Reconciliation:
    """Goes through what the list has that is new."""

    def __init__(
        self,
        listed: Reader,
        counters: Counters,
        pipeline: Pipeline,
        holders: Callable[[str], Sequence[str]],
        wake: Callable[[str], None],
        now: Callable[[], datetime],
    ) -> None:
        """Keep its partners; ``holders`` knows who has an address, ``wake`` asks the worker to perform."""
        self._list = listed
        self._counters = counters
        self._pipeline = pipeline
        self._holders = holders
        self._wake = wake
        self._now = now

    def run(self) -> int:
        """Take every entry since the last look; returns how many addresses were new.

        The cursor moves when all pages are done: what breaks off begins again, and passes over what is done.
        """
        before = self._counters.read_until()
        newest, new = before, 0
        for page in self._list.since(before):
            for entry in page:
                new += self._take(entry)
                newest = max(newest or entry.at, entry.at)
        if newest is not None and newest != before:
            self._counters.keep_read(newest)
        return new

    def _take(self, entry: Entry) -> bool:
        table = self._pipeline.table
        if table.is_suppressed(entry.email):
            return False
        for person_id in self._holders(entry.email):
            journeys = table.person(person_id).value.open_journeys or table.journeys_of(person_id)
            if journeys:
                self._pipeline.handle(self._event(entry, journeys[0]))
                self._wake(f"J#{journeys[0]}")
        # Nobody's, or a buyer's without a journey: whoever has it next gets no mail there either.
        reason = "complaint" if entry.complaint else "hard_bounce"
        table.suppress(Suppression(email=entry.email, reason=reason, at=self._now()))  # type: ignore[arg-type]  # literals
        return True

    def _event(self, entry: Entry, journey_id: str) -> Event:
        """Tell of it as of now: an older instant could lie before what the journey has lived through."""
        name = stable_id("listed/", entry.email.lower(), entry.at.isoformat(), journey_id)
        about: dict[str, Any] = {"event_id": name, "occurred_at": self._now(), "journey_id": journey_id}
        if entry.complaint:
            return MailComplained(**about, touch_id="", email=entry.email)
        return MailBounced(**about, touch_id="", permanent=True, email=entry.email, reason="listed")
