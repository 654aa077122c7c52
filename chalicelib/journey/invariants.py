"""What must hold at every moment, whatever happened, in whatever order. Checked by the tests and by every replay.

The six invariants of the design:

1. every confirmed negative answer, late ones included, has exactly one recovery; a suspect negative has a person
   looking at it;
2. every journey that is not final has a wake-up instant in the future or an owed effect;
3. every final journey names its outcome and the dated facts behind it;
4. no customer is mailed what they opted out of, nor at all after a hard bounce or complaint, from the commit on;
5. no touch is sent twice; no touch is lost without a reason;
6. nothing is sent that the contact budget, the quiet hours or the latest useful time forbid.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec

from chalicelib.journey import budget, clock
from chalicelib.journey.documents import Documents
from chalicelib.journey.events import AnswerGiven
from chalicelib.journey.state import Answer, Contact, Journey, Person, Stage, Touch


class Mailed(msgspec.Struct, frozen=True):
    """A mail to a customer that the mail service took, and the zone in which they lived when it did.

    ``to`` is the address, where it may have been another than the customer's present one.
    """

    journey_id: str
    touch_id: str
    at: datetime
    zone: str
    to: str = ""


class World(msgspec.Struct, frozen=True):
    """All that is to be judged. ``owed`` holds the keys owed now, ``ever_owed`` those of all time, by journey."""

    now: datetime
    journeys: Mapping[str, Journey]
    persons: Mapping[str, Person]
    documents: Documents
    owed: Mapping[str, Sequence[str]]
    ever_owed: Mapping[str, Sequence[str]]
    mailed: Sequence[Mailed]


def violations(world: World) -> list[str]:
    """Return every broken invariant in words, its number first; an empty list when all hold."""
    checks = (_recoveries, _wakes, _endings, _silence, _touches, _limits)
    return [broken for check in checks for broken in check(world)]


def _recoveries(world: World) -> Iterator[str]:
    carried = set(_carried(world))
    for journey in world.journeys.values():
        for answer in journey.answers:
            if answer.negative and answer.counts:
                yield from _has_one_recovery(world, journey, answer, carried)
            elif answer.negative and answer.waits and not _owed_ever(world, journey, "notice-suspect-"):
                yield f"1: {journey.id}: nobody looks at the suspect negative answer {answer.id}"


def _carried(world: World) -> Iterator[str]:
    """Yield the answers that another journey has, or holds for its beginning."""
    for journey in world.journeys.values():
        yield from (answer.id for answer in journey.answers if answer.from_journey)
        yield from (event.answer_id for event in journey.parked if isinstance(event, AnswerGiven))


def _has_one_recovery(world: World, journey: Journey, answer: Answer, carried: set[str]) -> Iterator[str]:
    found = [recovery.number for recovery in journey.recoveries if answer.id in recovery.answers]
    away = answer.id in carried or _is_owed(world, journey, "tell-")
    if not answer.recovery and not found and away:
        return  # its recovery is where it was carried to, or will be when it comes back
    if journey.stage is Stage.SUPERSEDED and not answer.recovery:
        yield f"1: {journey.id}: the answer {answer.id} was not carried to the journey that followed"
    elif found != [answer.recovery]:
        yield f"1: {journey.id}: the negative answer {answer.id} has the recoveries {found}"


def _wakes(world: World) -> Iterator[str]:
    for journey in world.journeys.values():
        # What is parked longer than `Settings.parked_at_most` waits for its beginning alone: a person was told.
        waits = journey.stage is not Stage.UNBORN or (journey.parked and journey.born_at)
        if journey.is_final or not waits or world.owed.get(journey.id):
            continue
        if journey.wake_at is None or journey.wake_at <= world.now:
            yield f"2: {journey.id}: {journey.stage} with no wake-up ahead ({journey.wake_at}) and nothing owed"


def _endings(world: World) -> Iterator[str]:
    for journey in world.journeys.values():
        last = journey.endings[-1] if journey.endings else None
        if journey.is_final and (last is None or last.outcome is not journey.stage or not last.facts):
            yield f"3: {journey.id}: {journey.stage} without the facts behind it"


def _silence(world: World) -> Iterator[str]:
    for mail in world.mailed:
        journey = world.journeys[mail.journey_id]
        if journey.erased_at is not None:
            if mail.at > journey.erased_at:
                yield f"4: {journey.id}: {mail.touch_id} was sent at {mail.at} to a person who was erased"
            continue
        person = world.persons[journey.person_id]
        touch = journey.touch(mail.touch_id)
        asks = touch is not None and touch.klass != "response"
        held = person.suppression
        reached = (mail.to or person.email).lower()
        stopped = [person.no_mail_since, held.at if held and held.email.lower() == reached else None]
        since = clock.in_order([*stopped, person.no_asks_since if asks else None])
        if since and mail.at > since[0]:
            yield f"4: {journey.id}: {mail.touch_id} was sent at {mail.at} though silenced since {since[0]}"


def _touches(world: World) -> Iterator[str]:
    counted = Counter((mail.journey_id, mail.touch_id) for mail in world.mailed)
    for (journey_id, touch_id), times in counted.items():
        touch = world.journeys[journey_id].touch(touch_id)
        if times > 1 + (touch.returns if touch else 0):
            yield f"5: {journey_id}: {touch_id} was sent {times} times"
    for journey in world.journeys.values():
        for touch in journey.touches:
            if _is_lost(world, journey, touch):
                yield f"5: {journey.id}: {touch.id} is {touch.status}, and nobody will send it"
            if touch.status == "not sent" and touch.reason not in budget.REASONS:
                yield f"5: {journey.id}: {touch.id} was not sent for no reason that is known ({touch.reason!r})"


def _is_lost(world: World, journey: Journey, touch: Touch) -> bool:
    """Say whether a touch waits for something that will not come: a wake-up, or its own effect."""
    if touch.status == "due":
        return not _is_owed(world, journey, touch.id)
    return touch.is_planned and journey.wake_at is None and not world.owed.get(journey.id)


def _limits(world: World) -> Iterator[str]:
    hours = world.documents.settings.waking_hours
    for mail in world.mailed:
        journey = world.journeys[mail.journey_id]
        touch = journey.touch(mail.touch_id)
        if touch is None or touch.klass == "response":
            continue
        if mail.at > touch.latest_at:
            yield f"6: {journey.id}: {touch.id} was sent at {mail.at}, after its latest useful time {touch.latest_at}"
        if hours.next_inside(mail.at, clock.zone(mail.zone)) != mail.at:
            yield f"6: {journey.id}: {touch.id} was sent at {mail.at}, outside the customer's waking hours"
    for person in world.persons.values():
        yield from _gaps(person, world)


def _gaps(person: Person, world: World) -> Iterator[str]:
    fatigue = world.documents.settings.fatigue
    surveys = [contact.at for contact in person.contacts if contact.kind == "survey"]
    asks = [contact for contact in person.contacts if contact.kind in {"survey", "check-in"}]
    rules = (
        ("surveys", surveys, fatigue.survey_gap),
        ("automatic mails", [contact.at for contact in asks if not _exempt(contact, world)], fatigue.any_gap),
    )
    for what, instants, gap in rules:
        for first, second in pairwise(sorted(instants)):
            if second - first < clock.elapsed(gap):
                yield f"6: {person.id}: two {what} at {first} and {second}, closer than {gap}"
    yield from _yearly(person, fatigue.max_survey_invites_365d)


def _yearly(person: Person, most: int) -> Iterator[str]:
    invites = sorted(contact.at for contact in person.contacts if contact.kind in {"survey", "reminder"})
    for first, last in zip(invites, invites[most:], strict=False):
        if last - first < timedelta(days=365):
            yield f"6: {person.id}: more than {most} surveys in the year from {first}"


def _exempt(contact: Contact, world: World) -> bool:
    journey = world.journeys.get(contact.journey_id)
    touch = journey.touch(contact.touch_id) if journey else None
    step = world.documents.cadence.step(touch.step) if touch else None
    return step is not None and step.part_of_recovery


def _is_owed(world: World, journey: Journey, start: str) -> bool:
    return _any_starts(world.owed.get(journey.id, ()), start)


def _owed_ever(world: World, journey: Journey, start: str) -> bool:
    return _any_starts(world.ever_owed.get(journey.id, ()), start)


def _any_starts(keys: Iterable[str], start: str) -> bool:
    return any(key.startswith(start) for key in keys)
