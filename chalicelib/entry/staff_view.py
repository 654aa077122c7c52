"""What staff are shown of a journey: its recovery, steps, answers, mails and facts, in words of the team.

For the page that the link of a notice opens (`work.py`) and for the console and its API (`api/journeys.py`).
"""

from datetime import datetime
from typing import Any, Protocol

from chalicelib.effects import letters
from chalicelib.journey import clock, playbook
from chalicelib.journey.budget import REASONS
from chalicelib.journey.documents import Documents
from chalicelib.journey.events import (
    AlarmRang,
    AnswerJudged,
    AttentionGiven,
    JourneyResumed,
    JourneyStopped,
    PersonErased,
    ReplyReceived,
    StaffActed,
    WordsWeighed,
)
from chalicelib.journey.state import Answer, Journey, Person, Recovery, Reply
from chalicelib.journey.trust import SUSPICIONS
from chalicelib.store.table import Fact

_ACTED = {
    "take": "Taken",
    "apologise": "Apologised",
    "propose": "Proposed",
    "deliver": "Delivered",
    "thank": "Thanked",
    "debrief": "Debriefed",
    "close": "Closed",
}


class Subject(Protocol):
    """What a recovery is shown of: a journey, its person, and the documents that hold for it."""

    @property
    def journey(self) -> Journey:
        """The journey."""

    @property
    def person(self) -> Person:
        """Its person."""

    @property
    def documents(self) -> Documents:
        """Its documents."""


def recovery_shown(visit: Subject, recovery: Recovery | None, zone: str) -> dict[str, Any]:
    """Return a recovery as its page shows it: whose, how severe, what is next and when that is due."""
    if recovery is None:
        stage = visit.journey.stage.value.replace("_", " ")
        empty = dict.fromkeys(("number", "severity", "opened", "owner", "due", "promised"), "")
        return {**empty, "status": f"No recovery; the journey is {stage}"}
    step = playbook.current(recovery, visit.documents) if recovery.is_open else None
    due = playbook.due(recovery, step.act, visit.documents) if step else None
    promised = recovery.proposal.due_at if recovery.proposal else None
    return {
        "number": str(recovery.number),
        "severity": recovery.severity,
        "opened": short(recovery.opened_at, zone),
        "owner": letters.owner_of(recovery, visit.documents).name,
        "status": f"Next: {step.label}" if step else "Closed",
        "due": short(due, zone) if due else "",
        "promised": short(promised, zone) if promised else "",
    }


def steps_shown(visit: Subject, recovery: Recovery | None, zone: str, now: datetime) -> list[dict[str, Any]]:
    """Return the steps of the playbook, each with when it was done or is due."""
    if recovery is None:
        return []
    current = playbook.current(recovery, visit.documents) if recovery.is_open else None
    shown = []
    for step in visit.documents.playbook.steps:
        done = next((one for one in recovery.done if one.act == step.act), None)
        due = playbook.due(recovery, step.act, visit.documents)
        by = visit.documents.staff.member(done.by) if done else None
        shown.append(
            {
                "name": step.act,
                "label": step.label,
                "done_at": short(done.at, zone) if done else None,
                "by": (by.name if by else done.by) if done else None,
                "due": short(due, zone) if due else None,
                "overdue": done is None and due is not None and due < now,
                "current": step is current,
            }
        )
    return shown


def answers_shown(journey: Journey, zone: str) -> list[dict[str, str]]:
    """Return all that the customer said, to questions and to proposals, oldest first."""
    said = [
        (
            answer.at,
            f"{answer.touch_id}{_standing(answer)}",
            letters.scores(answer),
            answer.words,
        )
        for answer in journey.answers
    ]
    said += [(reply.at, _what(reply), "", reply.words) for reply in journey.replies]
    for recovery in journey.recoveries:
        for proposal in recovery.proposals:
            what = f"proposal {proposal.number} of recovery {recovery.number}"
            if proposal.word and proposal.answered_at:
                said.append((proposal.answered_at, what, letters.WORDS[proposal.word], proposal.words))
            said += [(at, f"{what}, later", letters.WORDS[word], words) for at, word, words in proposal.revisions]
    return [
        {"at": short(at, zone), "what": what, "score_text": score, "words": words}
        for at, what, score, words in sorted(said, key=lambda one: one[0])
    ]


def _standing(answer: Answer) -> str:
    """Return what an answer is worth, where it is not simply the customer's."""
    if answer.waits:
        return " (perhaps not a person)"
    if answer.judged == "machine":
        return " (no person, it counts for nothing)"
    return " (revision)" if answer.revision else ""


def doubtful_shown(journey: Journey, zone: str) -> list[dict[str, str]]:
    """Return the suspect answers that wait for a person to say what they are, oldest first."""
    return [
        {
            "id": answer.id,
            "at": short(answer.at, zone),
            "score_text": letters.scores(answer),
            "words": answer.words,
            "why": SUSPICIONS.get(answer.suspect, answer.suspect),
        }
        for answer in journey.answers
        if answer.waits
    ]


_DOUBTS = {
    "unsigned": "perhaps not the customer's",
    "spam": "taken for spam by the mail service",
    "virus": "with a virus, by the mail service",
}


def _what(reply: Reply) -> str:
    """Return what a reply is, in words that a person on the team understands."""
    what = "an automatic reply by mail" if reply.automatic else "a reply by mail"
    return f"{what}, {_DOUBTS[reply.doubt]}" if reply.doubt in _DOUBTS else what


def mails_shown(journey: Journey, zone: str) -> list[dict[str, str]]:
    """Return the mails that went out to the customer, the oldest first."""
    gone = [(touch.sent_at, touch) for touch in journey.touches if touch.sent_at is not None]
    return [
        {"id": touch.id, "name": f"{touch.kind}{f' ({touch.step})' if touch.step else ''}", "at": short(at, zone)}
        for at, touch in sorted(gone, key=lambda pair: pair[0])
    ]


_SEEN_TO = {"take": "Taken on", "snooze": "Put off", "hand_over": "Handed over", "done": "Seen to"}


def _decided(event: object, visit: Subject) -> str:
    """Return what somebody decided about the journey, in words; nothing for any other fact."""
    if isinstance(event, PersonErased):
        return "Everything about the person was erased"
    if not isinstance(event, AttentionGiven | JourneyStopped | JourneyResumed):
        return ""
    member = visit.documents.staff.member(event.by)
    by = member.name if member else event.by
    if isinstance(event, AttentionGiven):
        to = visit.documents.staff.member(event.to)
        what = f"{_SEEN_TO[event.what]} by {by}{f' to {to.name}' if to and event.what == 'hand_over' else ''}"
        return f"{what}: {event.note}" if event.note else what
    return f"Stopped by {by}: {event.why}" if isinstance(event, JourneyStopped) else f"Resumed by {by}"


def describe(fact: Fact, visit: Subject) -> str:
    """Return a fact in words that a person on the team understands."""
    event = fact.event
    name = type(event).__name__
    touch = visit.journey.touch(getattr(event, "touch_id", ""))
    what = touch.kind if touch else ""
    if isinstance(event, StaffActed):
        by = visit.documents.staff.member(event.by)
        return f"{_ACTED[event.act]} by {by.name if by else event.by or 'the owner'}"
    if isinstance(event, WordsWeighed):
        return f"A program read the customer's words: {event.compound:+.2f}, from -1 (angry) to 1 (content)"
    if isinstance(event, AnswerJudged):
        by = visit.documents.staff.member(event.by)
        return f"{by.name if by else event.by}: {'a person' if event.human else 'no person'} gave a doubtful answer"
    if isinstance(event, ReplyReceived):
        return "An automatic reply came back" if event.automatic else "The customer wrote back by mail"
    decided = _decided(event, visit)
    if decided:
        return decided
    if isinstance(event, AlarmRang):
        return "Time passed: what was due was looked at"
    reason = getattr(event, "reason", "")
    explained = REASONS.get(reason, reason)
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    return ": ".join(part for part in (words.capitalize(), what, explained) if part)


def short(instant: datetime, zone: str) -> str:
    """Return an instant as staff read it, in their zone: ``Mon 2 Mar, 10:00``."""
    local = instant.astimezone(clock.zone(zone))
    return f"{local:%a} {local.day} {local:%b}, {local:%H:%M}"
