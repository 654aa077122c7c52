"""Chooses a few people of a large history, so that a demo opens at once and shows every stage of a journey."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.journey.clock import Calendar
from local.inputs import Inputs, Resolution, Told

#: Of the people chosen, this share are the newest, and as many again have a recovery under way; the rest are older.
_SHARE = 0.3
_BAD, _GLAD = 2, 9
#: The shipped cadence asks a day after the resolution.
_ASKED_AFTER = timedelta(hours=24)
_DEMO_HOUR = 10
_SEARCHED_DAYS = 10


@dataclass
class _Story:
    """What the files hold about one person up to the demo's beginning."""

    resolutions: list[tuple[datetime, Resolution]] = field(default_factory=list)
    rows: int = 0
    best: int = 0
    falls_short: bool = False
    under_way: int = 0

    @property
    def latest(self) -> datetime:
        return max(at for at, _ in self.resolutions)


def begin(given: Inputs, calendar: Calendar) -> datetime:
    """Return when the demo begins: the last morning of the data on which staff are at work, the next day too.

    It follows from the files alone, so every demo of the same files is the same. Where that would leave out more than
    a tenth of the cases, it is the first such morning after the last of them.
    """
    resolved = sorted(message.at for message in given.messages if message.type == "case.resolved")
    before = next(_mornings(resolved[-1], calendar, -1))
    if sum(at > before for at in resolved) * 10 <= len(resolved):
        return before
    return next(_mornings(resolved[-1], calendar, 1))


def _mornings(around: datetime, calendar: Calendar, step: int) -> Iterable[datetime]: ...


def choose(given: Inputs, now: datetime, people: int) -> Inputs:
    """Return the inputs of so many people (0 for all), cut off at ``now``."""
    stories = _stories(given, now)
    chosen = set(stories) if not people else _chosen(stories, people)
    return _only(given, chosen, now)
