"""May this mail go now? Asked when a touch falls due and once more at the moment of sending.

One contact budget for each person, over all their journeys. It defers; what cannot go within its latest useful
time is given up with the reason that held it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from chalicelib.journey import clock
from chalicelib.journey.documents import Cadence, Documents, Fatigue
from chalicelib.journey.state import Contact, Journey, Person, Stage, Touch

#: Contacts older than this count for nothing and are forgotten.
MEMORY = timedelta(days=366)
_YEAR = timedelta(days=365)

#: Every reason for which a touch is not sent, in words that a CX lead understands.
REASONS = {
    "answered": "The customer had already answered.",
    "case_reopened": "The case was reopened before it was due.",
    "case_withdrawn": "The case was merged with another, or was spam.",
    "journey_over": "The journey had ended before it was due.",
    "no_human_exchange": "Nobody had dealt with the customer in person.",
    "no_address": "No mail address is known.",
    "hard_bounce": "Mail to this address comes back for good: it does not exist, or takes no mail of ours.",
    "soft_bounce": "The mailbox could not be reached: the mail came back.",
    "mailbox_full": "The customer's mailbox was full: the mail came back.",
    "content_refused": "The customer's mail server refused the mail for its size or its content.",
    "complaint": "The customer marked a mail of ours as spam.",
    "opted_out": "The customer asked for no such mail.",
    "paused": "The customer asked for a pause that lasted too long for it.",
    "recovery_open": "A recovery of this customer was open: no questions while we put things right.",
    "survey_gap": "Another survey had gone to this customer too recently.",
    "contact_gap": "Another automatic mail had gone to this customer too recently.",
    "checkin_gap": "Another check-in had gone to this customer too recently.",
    "yearly_cap": "The customer has had as many surveys in twelve months as the settings allow.",
    "checkin_cap": "The customer has had as many check-ins for this failure as the settings allow.",
    "waking_hours": "The customer's waking hours left no time for it.",
    "too_late": "Its latest useful time had passed.",
    "purchase_seen": "The customer had already come back and bought.",
    "two_unanswered": "Two check-ins stayed unanswered: a person tries once, then only purchases are watched.",
    "stopped": "A lead stopped the journey before it was due.",
    "relapse": "A bad answer opened a recovery before it was due.",
    "refused": "The mail could not be written, or the mail service refused it.",
    "breaker": "Surveys and news were stopped: too many mails had come back, or were marked as spam.",
    "fuse_contact": "This address had had as many automatic mails in a day as the settings allow: a loop, perhaps.",
    "fuse_deployment": "As many automatic mails had gone out in a day as the settings allow: a loop, perhaps.",
    "allowlist": "This stage is not production, and may not write to this address.",
    "unknown_outcome": "The mail service never said whether it was sent; a person was told.",
}


class Send(msgspec.Struct, frozen=True):
    """It may go now."""


class Wait(msgspec.Struct, frozen=True):
    """Not before ``until``."""

    until: datetime
    reason: str


class Drop(msgspec.Struct, frozen=True):
    """Not at all."""

    reason: str


Verdict = Send | Wait | Drop


def weigh(touch: Touch, journey: Journey, person: Person, documents: Documents, now: datetime) -> Verdict:
    """Decide whether this touch may be sent at ``now``.

    The touch's own claim on the budget is never held against it.
    """
    stop = _no_longer_right(touch, journey, documents.cadence, person) or _silenced(touch, person)
    if stop is not None:
        return Drop(stop)
    if now > touch.latest_at:
        return Drop(touch.held or "too_late")
    most = documents.settings.fatigue.checkins_max_per_failure
    if touch.kind == "check-in" and _checkins_so_far(touch, journey) >= most:
        return Drop("checkin_cap")
    if touch.klass == "response":
        return Send()
    waits = [wait for wait in _waits(touch, journey, person, documents, now) if wait.until > now]
    held = max(waits, key=lambda wait: wait.until, default=Wait(now, ""))
    where = clock.zone(zone_of(person, documents))
    until = documents.settings.waking_hours.next_inside(held.until, where)
    if until <= now:
        return Send()
    reason = held.reason or "waking_hours"
    return Drop(reason) if until > touch.latest_at else Wait(until, reason)


def hold(touch: Touch, until: datetime, reason: str) -> Wait | Drop:
    """Hold a touch back for a reason that lies outside of the budget, if it is of use after that; else give it up."""
    return Wait(until, reason) if until <= touch.latest_at else Drop(reason)


def zone_of(person: Person, documents: Documents) -> str:
    """Return the customer's zone, or the deployment's default where theirs is unknown or no zone at all."""
    named = person.customer.zone if person.customer else ""
    try:
        clock.zone(named)
    except ValueError:
        return documents.settings.default_zone
    return named or documents.settings.default_zone


def spend(person: Person, touch: Touch, journey: Journey, at: datetime) -> Person:
    """Count this mail in the person's budget (once), and forget what is too old to matter."""
    if touch.klass == "response":
        return person
    mine = Contact(at=at, kind=touch.kind, journey_id=journey.id, touch_id=touch.id)
    kept = (c for c in _others(person, touch, journey.id) if at - c.at <= MEMORY)
    return msgspec.structs.replace(person, contacts=(*kept, mine))


def refund(person: Person, touch: Touch, journey: Journey) -> Person:
    """Take this mail out of the budget again: it did not go."""
    return msgspec.structs.replace(person, contacts=tuple(_others(person, touch, journey.id)))


def _others(person: Person, touch: Touch, journey_id: str) -> Iterable[Contact]:
    mine = (journey_id, touch.id)
    return (contact for contact in person.contacts if (contact.journey_id, contact.touch_id) != mine)


def _no_longer_right(touch: Touch, journey: Journey, cadence: Cadence, person: Person) -> str | None:
    """Return why the touch has lost its point since it was planned."""
    if touch.status in {"answered", "not sent"}:
        return touch.reason or "answered"
    if journey.is_final and touch.klass != "response":
        return "case_reopened" if journey.stage is Stage.SUPERSEDED else "journey_over"
    if touch.kind == "reminder" and _answered(journey, "survey"):
        return "answered"
    step = cadence.step(touch.step)
    if step and step.send_only_if and journey.anchor and bought_since(person, journey.anchor):
        return "purchase_seen"
    if touch.kind in {"survey", "reminder"} and person.open_recoveries:
        return "recovery_open"
    return None


def _checkins_so_far(touch: Touch, journey: Journey) -> int:
    """Count the check-ins that went out after the same failure."""
    same = (t for t in journey.touches if t.kind == "check-in" and t.recovery == touch.recovery and t.id != touch.id)
    return sum(t.went_out for t in same)


def _answered(journey: Journey, touch_id: str) -> bool:
    return any(answer.touch_id == touch_id for answer in journey.answers)


def bought_since(person: Person, since: datetime) -> bool:
    """Say whether a paid purchase was seen after that instant."""
    return any(purchase.paid and purchase.at > since for purchase in person.purchases)


def _silenced(touch: Touch, person: Person) -> str | None:
    """Return why this person gets no such mail."""
    if not person.email:
        return "no_address"
    if person.suppressed is not None:
        return person.suppressed.reason
    if person.no_mail_since is not None:
        return "opted_out"
    if person.no_asks_since is not None and touch.klass != "response":
        return "opted_out"
    return None


def _waits(touch: Touch, journey: Journey, person: Person, documents: Documents, now: datetime) -> Iterable[Wait]:
    """Yield every rule that holds the touch back, each with the first instant at which it no longer does."""
    fatigue = documents.settings.fatigue
    if touch.due_at > now:
        yield Wait(touch.due_at, touch.held)
    if person.paused_until is not None:
        yield Wait(person.paused_until, "paused")
    if touch.klass != "ask":
        return
    others = list(_others(person, touch, journey.id))
    step = documents.cadence.step(touch.step)
    if step is not None and step.part_of_recovery:
        return
    if person.open_recoveries:
        yield Wait(now + clock.elapsed(fatigue.look_again), "recovery_open")
    if touch.kind in {"survey", "reminder"}:
        yield from _survey_waits(touch, others, fatigue)
    if touch.kind == "check-in":
        yield from _checkin_waits(others, fatigue)
    if touch.kind != "reminder":
        yield from _after_last(others, clock.elapsed(fatigue.any_gap), "contact_gap")


def _after_last(contacts: Iterable[Contact], gap: timedelta, reason: str) -> Iterable[Wait]:
    last = max((contact.at for contact in contacts), default=None)
    if last is not None:
        yield Wait(last + gap, reason)


def _survey_waits(touch: Touch, others: list[Contact], fatigue: Fatigue) -> Iterable[Wait]:
    """A reminder is the same ask: the gap does not hold it, but it counts in the yearly cap."""
    if touch.kind == "survey":
        surveys = [contact for contact in others if contact.kind == "survey"]
        yield from _after_last(surveys, clock.elapsed(fatigue.survey_gap), "survey_gap")
    invites = sorted(contact.at for contact in others if contact.kind in {"survey", "reminder"})
    spare = fatigue.max_survey_invites_365d
    if len(invites) >= spare:
        yield Wait(invites[-spare] + _YEAR, "yearly_cap")


def _checkin_waits(others: list[Contact], fatigue: Fatigue) -> Iterable[Wait]:
    checkins = [contact for contact in others if contact.kind == "check-in"]
    yield from _after_last(checkins, clock.elapsed(fatigue.checkin_gap), "checkin_gap")
