"""What the local pages and programs may see of the stack: its mailbox, its journeys with their facts, its clock.

Production has none of this: nothing there scans the table or keeps a sent mail.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from functools import cached_property
from typing import Any

import msgspec

from chalicelib.journey.budget import REASONS
from chalicelib.journey.documents import Documents
from chalicelib.journey.state import Journey, Person, Recovery, Stage, Standing, Touch
from chalicelib.links import Link
from chalicelib.store import items
from chalicelib.store.table import Fact
from local import observe
from local.aws.ses import SentMail
from local.stack import Stack

_WRITES = ("dynamodb.TransactWriteItems", "dynamodb.PutItem", "dynamodb.UpdateItem", "dynamodb.DeleteItem")


def iso(at: datetime | None) -> str | None:
    """Return an instant as programs read it: UTC, with a Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at is not None else None


@dataclass(frozen=True)
class Mail:
    """One mail that went out, with what its tags and headers say."""

    sent: SentMail

    @property
    def id(self) -> str:
        """Return the message id that the mail service gave it."""
        return self.sent.message_id

    @property
    def kind(self) -> str:
        """Return what it is: survey, reminder, …, staff-notice."""
        return self.sent.tags.get("kind", "")

    @property
    def journey_id(self) -> str:
        """Return the journey that it belongs to."""
        return self.sent.tags.get("journey", "")

    @property
    def to(self) -> str:
        """Return the address that it went to."""
        return ", ".join(self.sent.to)

    @cached_property
    def parsed(self) -> EmailMessage:
        """Return it as a mail program reads it."""
        return BytesParser(policy=policy.default).parsebytes(self.sent.raw)

    @cached_property
    def subject(self) -> str:
        """Return its subject, decoded."""
        head = self.sent.raw.partition(b"\n\n")[0]  # reading the parts as well would take ten times as long
        return str(BytesParser(policy=policy.default).parsebytes(head, headersonly=True)["subject"] or "")

    def part(self, kind: str) -> str:
        """Return its ``plain`` or ``html`` part; empty when it has none."""
        found = self.parsed.get_body((kind,))
        return str(found.get_content()) if found is not None else ""

    def summary(self) -> dict[str, Any]:
        """Return it as it stands in the list."""
        return {
            "id": self.id,
            "to": self.to,
            "kind": self.kind,
            "journey_id": self.journey_id,
            "subject": self.subject,
            "sent_at": iso(self.sent.sent_at),
        }


@dataclass(frozen=True)
class Known:
    """One journey with everything that is known about it."""

    journey: Journey
    person: Person
    documents: Documents
    facts: tuple[Fact, ...]
    mails: tuple[Mail, ...]
    now: datetime

    @property
    def standing(self) -> Standing:
        """Return how loyal the customer is as of now: what expired counts no more."""
        return self.person.loyalty.at(self.now)


class Views:
    """Reads the stack. Not safe for threads: whoever calls holds the lock of the stack."""

    def __init__(self, stack: Stack) -> None:
        """Look at this stack."""
        self.stack = stack
        self._mails: list[Mail] = []
        self._mail_of: dict[str, Mail] = {}
        self._at_write = -1
        self._journeys: dict[str, Journey] = {}
        self._persons: dict[str, Person] = {}

    # -- the mailbox -------------------------------------------------------------------------------------

    def mails(self) -> list[Mail]:
        """Return every mail that went out, the newest last."""
        for sent in self.stack.account.ses.sent[len(self._mails) :]:
            mail = Mail(sent)
            self._mails.append(mail)
            self._mail_of[mail.id] = mail
        return self._mails

    def mail(self, mail_id: str) -> Mail | None:
        """Return one mail, or None."""
        self.mails()
        return self._mail_of.get(mail_id)

    def mails_by_kind(self, since: int) -> dict[str, int]:
        """Return how many mails of each kind have gone out after the first ``since``."""
        return dict(sorted(Counter(mail.kind for mail in self.mails()[since:]).items()))

    # -- journeys ----------------------------------------------------------------------------------------

    def journeys(self) -> list[Journey]:
        """Return every journey that has begun, the oldest first."""
        self._read_table()
        return sorted(self._journeys.values(), key=lambda journey: (iso(journey.born_at) or "", journey.id))

    def person(self, person_id: str) -> Person:
        """Return a person; an empty one when there is none."""
        self._read_table()
        return self._persons.get(person_id) or Person(id=person_id)

    def stages(self) -> dict[str, int]:
        """Return how many journeys are at each stage, stages without any included."""
        counted = Counter(journey.stage.value for journey in self.journeys())
        return {stage.value: counted[stage.value] for stage in Stage if stage is not Stage.UNBORN}

    def journey(self, journey_id: str) -> Known | None:
        """Return one journey with its facts in order, or None when nothing is known of it."""
        table, now = self.stack.wiring.table, self.stack.clock.now
        facts = tuple(table.facts(f"J#{journey_id}"))
        journey: Journey = table.journey(journey_id).value
        if not facts and journey.stage is Stage.UNBORN:
            return None
        mails = tuple(mail for mail in self.mails() if mail.journey_id == journey_id)
        person: Person = table.person(journey.person_id).value
        return Known(journey, person, self.stack.wiring.documents.for_journey(journey, now), facts, mails, now)

    def documents(self) -> Documents:
        """Return the documents that a journey would begin with now."""
        return self.stack.wiring.documents.for_journey(Journey(id=""), self.stack.clock.now)

    def open_recoveries(self) -> list[tuple[Journey, Recovery]]:
        """Return the recoveries that wait for somebody, the newest first."""
        found = [(journey, journey.recovery) for journey in self.journeys() if journey.recovery is not None]
        return sorted(found, key=lambda pair: pair[1].opened_at, reverse=True)

    def work_url(self, journey_id: str, staff_id: str) -> str:
        """Return the link with which that member of staff works on the recovery, as a notice would carry it."""
        return self.stack.wiring.links.url(Link("work", journey_id, staff_id))

    def _read_table(self) -> None:
        """Read all states again if anything was written since."""
        writes = sum(self.stack.account.calls[name] for name in _WRITES)
        if writes == self._at_write:
            return
        self._journeys, self._persons = {}, {}
        for item in observe.every_item(self.stack):
            if item["sk"]["S"] == items.STATE:
                self._keep(item)
        self._at_write = writes

    def _keep(self, item: dict[str, Any]) -> None:
        """Keep a person or a journey; other states are of no interest here."""
        kind = item["pk"]["S"].partition("#")[0]
        if kind == "P":
            person: Person = items.read_person(item).value
            self._persons[person.id] = person
        elif kind == "J":
            journey: Journey = items.read_journey(item).value
            if journey.stage is not Stage.UNBORN:  # it only keeps events that came too early
                self._journeys[journey.id] = journey

    # -- the clock ---------------------------------------------------------------------------------------

    def clock(self) -> dict[str, str | None]:
        """Return what the clock says, and when something happens next if nobody does anything."""
        return {"now": iso(self.stack.clock.now), "next": iso(self.next_event())}

    def next_event(self) -> datetime | None:
        """Return the next instant at which something happens by itself, never before now."""
        found = self.stack.next_event()
        return max(found, self.stack.clock.now) if found is not None else None


# -- as JSON ---------------------------------------------------------------------------------------------


def journey_summary(journey: Journey) -> dict[str, Any]:
    """Return a journey as it stands in the list."""
    case = journey.case
    return {
        "journey_id": journey.id,
        "case_id": case.case_id if case else None,
        "epoch": case.epoch if case else None,
        "person_id": journey.person_id or None,
        "stage": journey.stage.value,
        "outcome": journey.outcome.value if journey.outcome else None,
        "next_wake": iso(journey.wake_at),
    }


def journey_details(known: Known) -> dict[str, Any]:
    """Return a journey with its facts in order, its touches, answers, recoveries and mails."""
    journey = known.journey
    return {
        **journey_summary(journey),
        "facts": [_fact(fact) for fact in known.facts],
        "touches": [_touch(touch) for touch in journey.touches],
        "answers": msgspec.to_builtins(journey.answers),
        "recoveries": msgspec.to_builtins(journey.recoveries),
        "mails": [mail.id for mail in known.mails],
        "loyalty": _standing(known.standing),
    }


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "state": standing.state,
        "since": iso(standing.since),
        "expires_at": iso(standing.expires_at),
        "facts": list(standing.facts),
    }


def _fact(fact: Fact) -> dict[str, Any]:
    event: dict[str, Any] = msgspec.to_builtins(fact.event)
    kind = event.pop("type")
    return {
        "number": fact.number,
        "at": iso(fact.at),
        "stored_at": iso(fact.stored_at),
        "type": kind,
        "stage": fact.stage,
        "owed": list(fact.owed),
        "event": event,
    }


def _touch(touch: Touch) -> dict[str, Any]:
    reason = touch.reason or touch.held
    return {
        "id": touch.id,
        "kind": touch.kind,
        "status": touch.status,
        "due_at": iso(touch.due_at),
        "latest_at": iso(touch.latest_at),
        "sent_at": iso(touch.sent_at),
        "delivered_at": iso(touch.delivered_at),
        "answered_at": iso(touch.answered_at),
        "not_sent_at": iso(touch.not_sent_at),
        "reason": reason or None,
        "reason_in_words": REASONS.get(reason, reason) or None,
    }


def open_touches(journey: Journey) -> Iterator[Touch]:
    """Yield the touches that are still ahead, the next first."""
    ahead = (touch for touch in journey.touches if touch.status in {"planned", "due"})
    yield from sorted(ahead, key=lambda touch: touch.due_at)
