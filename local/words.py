"""Says in words what happened to a journey: for people who look at the local stack."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.effects import letters
from chalicelib.journey import clock, events
from chalicelib.journey.budget import REASONS
from chalicelib.journey.state import Touch
from chalicelib.journey.trust import SUSPICIONS
from chalicelib.store.table import Fact
from local.views import Known

STAGES = {
    "waiting": "waiting",
    "asked": "asked",
    "checking_in": "checking in",
    "recovering": "recovering",
    "loyal": "loyal",
    "lost": "lost",
    "opted_out": "opted out",
    "unreachable": "unreachable",
    "superseded": "superseded",
    "unknown": "unknown",
    "unborn": "not begun",
}
_WORD = {
    "exceeds": "it exceeds what they expected",
    "meets": "it meets what they expected",
    "falls_short": "it falls short",
    "other": "they have another idea",
}
_SCOPE = {"asks": "no more questions or news", "everything": "no mail at all", "pause": "a pause"}
_ACTS = {
    "take": "took it on",
    "apologise": "apologised",
    "propose": "proposed how to put it right",
    "deliver": "delivered what was agreed",
    "thank": "thanked the customer",
    "debrief": "debriefed the staff",
    "close": "closed the recovery",
}
#: What the machinery tells itself: shown, but quietly.
_QUIET = (events.AlarmRang, events.MailDelayed, events.MailDelivered, events.MailDeferred)


@dataclass(frozen=True)
class Line:
    """One line of a timeline: when, what, the words that were said, what it led to, and whether it may be quiet."""

    at: str
    what: str
    said: str
    owed: str
    stage: str
    quiet: bool


def when(instant: datetime, zone: str) -> str:
    """Return an instant as a person reads it there: ``Fri 8 May 2026, 10:00``."""
    local = instant.astimezone(clock.zone(zone))
    return f"{local:%a} {local.day} {local:%b %Y}, {local:%H:%M}"


def place(zone: str) -> str:
    """Return a zone as a person calls it: ``New York``."""
    return zone.rsplit("/", maxsplit=1)[-1].replace("_", " ")


def timeline(known: Known, zone: str) -> list[Line]:
    """Return what happened to a journey, the first fact first; a stage stands where it changed."""
    lines = []
    stage = ""
    for fact in known.facts:
        lines.append(_line(fact, known, zone, "" if fact.stage == stage else fact.stage))
        stage = fact.stage
    return lines


def _line(fact: Fact, known: Known, zone: str, stage: str) -> Line:
    what, said = tell(fact.event, known, zone)
    return Line(
        at=when(fact.at, zone),
        what=what,
        said=said,
        owed=_owed(fact, known),
        stage=STAGES.get(stage, stage),
        quiet=isinstance(fact.event, _QUIET) and not stage,
    )


def _owed(fact: Fact, known: Known) -> str:
    """Return what had to be done because of it."""
    named: dict[str, None] = {}
    for key in fact.owed:
        touch = known.journey.touch(key)
        other = "word to another journey" if key.startswith("tell-") else "a notice to staff"
        named[f"{touch_name(touch)} to the customer" if touch else other] = None
    return ", ".join(named)


def touch_name(touch: Touch | None) -> str:
    """Return a touch in words: ``check-in (recovery rating)``."""
    if touch is None:
        return "mail"
    return f"{touch.kind} ({touch.step.replace('_', ' ')})" if touch.step else touch.kind


def tell(event: events.Event, known: Known, zone: str) -> tuple[str, str]:
    """Return what a fact says, and the words that somebody wrote."""
    write = _TELL.get(type(event))
    return write(event, known, zone) if write is not None else (type(event).__name__, "")


def _customer(known: Known) -> str:
    named = known.person.customer
    return (named.first_name if named else "") or "The customer"


def _resolved(event: events.CaseResolved, _known: Known, _zone: str) -> tuple[str, str]:
    number = f", for the {_ordinal(event.case.epoch)} time" if event.case.epoch > 1 else ""
    return f"The case was resolved{number}", ""


def _ordinal(number: int) -> str:
    teens = 11 <= number % 100 <= 13  # noqa: PLR2004 - 11th, 12th, 13th
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _withdrawn(event: events.CaseWithdrawn, _known: Known, _zone: str) -> tuple[str, str]:
    return f"The case was withdrawn: {event.reason}", ""


def _answered(event: events.AnswerGiven, known: Known, _zone: str) -> tuple[str, str]:
    answer = next((one for one in known.journey.answers if one.id == event.answer_id), None)
    touch = known.journey.touch(event.touch_id)
    asked = touch_name(touch) if touch else "an earlier question"
    told = [f"{_customer(known)} answered the {asked}"]
    if answer is not None and answer.scores:
        told.append(f": {letters.scores(answer)}")
    if event.call_back:
        told.append(", and asks for a call back")
    if answer is not None and answer.suspect:
        told.append(f" (perhaps not a person: {SUSPICIONS.get(answer.suspect, answer.suspect)})")
    return "".join(told), event.words


def _replied(event: events.ReplyReceived, known: Known, _zone: str) -> tuple[str, str]:
    if event.automatic:
        return f"An automatic reply came back, known by: {event.automatic}", event.words
    return f"{_customer(known)} wrote back by mail{f' (doubtful: {event.doubt})' if event.doubt else ''}", event.words


def _weighed(event: events.WordsWeighed, known: Known, _zone: str) -> tuple[str, str]:
    angry = event.compound <= known.documents.cadence.weighing.mismatch.compound_max
    return f"The words beside that score sound {'angry' if angry else 'not angry'} ({event.compound:+.2f})", ""


def _judged(event: events.AnswerJudged, known: Known, _zone: str) -> tuple[str, str]:
    by = known.documents.staff.member(event.by)
    found = "a person gave it" if event.human else "no person gave it"
    return f"{by.name if by else event.by} looked at a doubtful answer: {found}", ""


def _answered_proposal(event: events.ProposalAnswered, known: Known, _zone: str) -> tuple[str, str]:
    return f"{_customer(known)} said of proposal {event.proposal}: {_WORD[event.word]}", event.words


def _acted(event: events.StaffActed, known: Known, zone: str) -> tuple[str, str]:
    by = known.documents.staff.member(event.by or _owner(known))
    told = f"{by.name if by else event.by or 'The owner'} {_ACTS[event.act]}"
    if event.amount:
        told += f": {event.amount} {event.currency} of {event.redress}"
    if event.due:
        told += f", by {when(event.due, zone)}"
    if event.act == "close" and not event.kept:
        told += ": the customer is lost"
    return told, event.text or "; ".join(part for part in (event.cause, event.improvement) if part)


def _owner(known: Known) -> str:
    return known.journey.recoveries[-1].owner if known.journey.recoveries else ""


def _about_mail(verb: str) -> Callable[[Any, Known, str], tuple[str, str]]:
    def write(event: Any, known: Known, zone: str) -> tuple[str, str]:
        reason = getattr(event, "reason", "")
        told = f"The {touch_name(known.journey.touch(event.touch_id))} {verb}"
        if getattr(event, "until", None):
            told += f" until {when(event.until, zone)}"
        return f"{told}{'. ' if reason else ''}{REASONS.get(reason, reason)}", ""

    return write


def _plain(told: str) -> Callable[[Any, Known, str], tuple[str, str]]:
    return lambda _event, _known, _zone: (told, "")


def _bounced(event: events.MailBounced, known: Known, zone: str) -> tuple[str, str]:
    why = "came back: there is no such address" if event.permanent else "could not be delivered yet"
    return _about_mail(why)(event, known, zone)


def _opted_out(event: events.OptedOut, known: Known, _zone: str) -> tuple[str, str]:
    return f"{_customer(known)} asked for {_SCOPE[event.scope]}", ""


def _silenced(event: events.PersonSilenced, known: Known, _zone: str) -> tuple[str, str]:
    why = f"asked for {_SCOPE[event.scope]}" if event.reason == "opted_out" else "cannot be reached by mail any more"
    return f"On another journey it turned out: {_customer(known)} {why}", ""


def _logged(event: events.FailureLogged, known: Known, _zone: str) -> tuple[str, str]:
    by = known.documents.staff.member(event.logged_by)
    return f"A remark was written down{f' by {by.name}' if by else ''}", event.words


_TELL: dict[type, Callable[[Any, Known, str], tuple[str, str]]] = {
    events.CaseResolved: _resolved,
    events.CaseReopened: _plain("The case was reopened: the matter is being worked on again"),
    events.CaseWithdrawn: _withdrawn,
    events.FailureLogged: _logged,
    events.AnswerGiven: _answered,
    events.WordsWeighed: _weighed,
    events.AnswerJudged: _judged,
    events.ReplyReceived: _replied,
    events.ProposalAnswered: _answered_proposal,
    events.OptedOut: _opted_out,
    events.StaffActed: _acted,
    events.AlarmRang: _plain("The alarm of this journey rang"),
    events.MailSent: _about_mail("was sent"),
    events.MailDelayed: _about_mail("is held up by the customer's mail server"),
    events.MailDelivered: _about_mail("was delivered"),
    events.MailDeferred: _about_mail("was put off"),
    events.MailNotSent: _about_mail("was not sent"),
    events.MailBounced: _bounced,
    events.MailComplained: _about_mail("was marked as spam"),
    events.PurchaseNoted: _plain("The customer bought something"),
    events.PersonSilenced: _silenced,
}
