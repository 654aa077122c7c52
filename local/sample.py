"""Chooses a few people of a large history, so that a demo opens at once and shows journeys at every stage."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from chalicelib.journey import clock, documents
from chalicelib.journey.clock import Calendar
from chalicelib.journey.documents import Settings
from chalicelib.store.documents import shipped
from local.inputs import Inputs, Resolution, Told, distinct

#: Of the people chosen, one in so many are the newest, the newest with a single case, those with a recovery under way.
_NEWEST, _UNHELD, _UNDER_WAY = 6, 9, 4
#: Of a file's cases, so many per cent may come after the demo's beginning, and so are left out.
_LEFT_OUT = 10
_BAD, _GLAD = 2, 9
#: The shipped cadence asks a day after the resolution.
_ASKED_AFTER = timedelta(days=1)
_MORNING = time(10)
_SEARCHED_DAYS = 3660


@dataclass
class _Story:
    """What the files hold about one person up to the demo's beginning."""

    person: str
    latest: datetime
    resolutions: int = 0
    rows: int = 0
    glad: bool = False
    returned: bool = False
    falls_short: bool = False
    under_way: bool = False


def begin(given: Inputs) -> datetime:
    """Return when the demo begins: a morning with staff at work, the next day too, near the end of the files.

    It follows from the files alone, so every demo of the same files is the same. It is the last such morning
    before the last resolution, or the first after it where too many cases would be left out.
    """
    calendar = _calendar()
    resolved = [message.at for message in given.messages if message.type == "case.resolved"]
    before = next(_mornings(given.last_resolution, calendar, -1))
    if sum(at > before for at in resolved) * 100 <= len(resolved) * _LEFT_OUT:
        return before
    return next(_mornings(given.last_resolution, calendar, 1))


def _calendar() -> Calendar:
    settings = documents.read("settings", shipped("settings"))
    assert isinstance(settings, Settings)  # noqa: S101 - the document of that kind
    return settings.calendar


def _mornings(around: datetime, calendar: Calendar, step: int) -> Iterator[datetime]:
    """Yield the mornings before (-1) or after (1) an instant on which two working days begin."""
    where = clock.zone(calendar.zone)
    today = around.astimezone(where).date()
    for days in range(_SEARCHED_DAYS):
        day = today + timedelta(days=step * days)
        at = datetime.combine(day, _MORNING, tzinfo=where)
        open_twice = calendar.is_open_on(day) and calendar.is_open_on(day + timedelta(days=1))
        if open_twice and (at - around) * step >= timedelta():
            yield at


def choose(given: Inputs, now: datetime, people: int) -> Inputs:
    """Return the inputs of so many people (0 for all), up to ``now``."""
    stories = _stories(given, now)
    chosen = {story.person for story in (_chosen(stories, people) if people else stories)}
    return _only(given, chosen, now)


def _chosen(stories: Sequence[_Story], people: int) -> list[_Story]:
    """Choose the newest, some whose recovery is under way, and older ones spread evenly over the whole time."""
    ordered = sorted(stories, key=lambda story: (story.latest, story.person), reverse=True)
    newest = ordered[: -(-people // _NEWEST)]
    # Whoever has had one case only is asked without delay: no earlier survey holds theirs back.
    newest += [story for story in ordered if story.resolutions == 1 and story not in newest][: people // _UNHELD]
    busy = [story for story in ordered if story.under_way and story not in newest][: people // _UNDER_WAY]
    older = [story for story in ordered if story not in newest and story not in busy]
    return [*newest, *busy, *_spread(older, people - len(newest) - len(busy))]


#: What makes an older story worth showing: the eventful, those who came back, those who were lost, in turn.
_WORTH: tuple[Callable[[_Story], tuple[object, ...]], ...] = (
    lambda story: (story.rows,),
    lambda story: (story.glad and story.returned, -story.resolutions, story.rows),
    lambda story: (story.falls_short, -story.resolutions, story.rows),
)


def _spread(stories: Sequence[_Story], number: int) -> list[_Story]:
    """Choose one story from each of so many spans of equal size."""
    spans = [stories[at * len(stories) // number : (at + 1) * len(stories) // number] for at in range(number)]
    worth = (_WORTH[at % len(_WORTH)] for at in range(number))
    return [
        max(span, key=lambda story: (*rank(story), story.person))
        for span, rank in zip(spans, worth, strict=True)
        if span
    ]


def _stories(given: Inputs, now: datetime) -> list[_Story]:
    """Tell each person's story up to ``now``."""
    found: dict[str, _Story] = {}
    for message in given.messages:
        if message.type == "case.resolved" and message.at <= now:
            story = found.setdefault(_person(message), _Story(_person(message), message.at))
            story.latest = message.at
            story.resolutions += 1
            _add_rows(story, message, given, now)
        elif message.type == "purchase.made" and message.at <= now and _person(message) in found:
            found[_person(message)].returned = True
    return list(found.values())


def _add_rows(story: _Story, message: Told, given: Inputs, now: datetime) -> None:
    answers, acts = given.answers.get(_resolution(message), ()), given.acts.get(_resolution(message), ())
    story.rows += len(answers) + len(acts)
    story.falls_short |= any(answer.word == "falls_short" for answer in answers)
    scores = [int(answer.score) for answer in answers if answer.score]
    story.glad |= max(scores, default=0) >= _GLAD
    if answers and scores and acts and scores[0] <= _BAD:
        opened = message.at + _ASKED_AFTER + answers[0].after
        story.under_way |= opened <= now <= opened + max(act.after for act in acts)


def _person(message: Told) -> str:
    customer: Mapping[str, str] = message.data["customer"]
    return customer.get("customer_id") or customer.get("email", "")


def _resolution(message: Told) -> Resolution:
    return message.data["case_id"], message.data["epoch"]


def _only(given: Inputs, people: set[str], now: datetime) -> Inputs:
    """Return the messages of these people up to ``now``; answers and acts wait for theirs."""
    theirs = [m for m in given.messages if m.type == "case.resolved" and _person(m) in people and m.at <= now]
    cases = {message.data["case_id"] for message in theirs}

    def wanted(message: Told) -> bool:
        mine = _person(message) in people if "customer" in message.data else message.data["case_id"] in cases
        return mine and message.at <= now

    return replace(
        given,
        messages=tuple(message for message in given.messages if wanted(message)),
        cases=distinct(theirs),
        last_resolution=theirs[-1].at,
    )
