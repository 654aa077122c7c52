"""What needs a person: the list of today, most urgent first, and what a member of staff does about it."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from chalicelib.entry.api import paging
from chalicelib.entry.api.operations import Context, operation
from chalicelib.entry.api.problems import BadField
from chalicelib.journey import attention
from chalicelib.journey.documents import Severity, Staff
from chalicelib.journey.events import AttentionGiven
from chalicelib.journey.state import Journey, Todo, TodoKind
from chalicelib.store.lists import KINDS, Count, Late, Listed

#: What each kind is called in a list.
KIND_WORDS: dict[str, str] = {
    "recovery": "Recoveries",
    "urgent": "Urgent words",
    "call_back": "Call-backs",
    "suspect": "Suspect negatives",
    "mismatch": "Good score, bad comment",
    "undelivered": "Undelivered",
    "reply": "Replies",
    "lukewarm": "Lukewarm answers",
    "reach_out": "Try in person",
    "lost": "Lost customers",
    "stuck": "Never resolved",
    "other": "Other",
}
#: What is to be done, by the reason for which it was raised.
TO_DO = {
    "take": "Take the recovery and write to the customer",
    "apologise": "Apologise in person",
    "propose": "Propose how to put it right",
    "deliver": "Deliver what was accepted",
    "thank": "Thank the customer",
    "debrief": "Write down the cause and the improvement",
    "close": "Close the recovery",
    "customer_word": "Waiting for the customer's word; after this, deliver all the same",
    "better_proposal": "The proposal falls short: make a better one",
    "urgent_words": "Read it now: the words name danger, law or fraud",
    "call_back": "Call back: they asked for it",
    "suspect_negative": "A bad answer that may not be a person's: look at it",
    "mismatch": "A good score with an angry comment: read it",
    "another_way": "Mail does not reach them: find another way",
    "mail_unknown": "Nobody knows whether this mail was sent: check",
    "reply": "The customer wrote back: answer",
    "proposal_late": "A late word on a proposal: read it",
    "answered_while_reopened": "A bad answer while the case is open again: read it",
    "lukewarm": "A lukewarm answer: see what would have made it good",
    "human_try": "Two check-ins unanswered: try once in person",
    "customer_lost": "A customer was lost: learn why",
    "never_resolved": "Something came for a case that was never resolved: look for it",
}

Name = Annotated[str, msgspec.Meta(max_length=60)]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which to-dos: all, of one kind, of one member of staff (``who``), or both. ``me`` is whoever calls."""

    kind: Literal["", TodoKind] = ""
    who: Name = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=50, description="How many at most on one page.")] = 25
    cursor: paging.Cursor = ""


class Shown(msgspec.Struct, frozen=True):
    """One to-do. ``due`` is its deadline; ``what`` says in words what is to be done; ``mark`` tells how it stands."""

    journey_id: str
    key: str
    kind: TodoKind
    what: str
    severity: Severity
    due: datetime
    overdue: bool
    who: str
    who_name: str
    raised_at: datetime
    taken_at: datetime | None = None
    snoozed_until: datetime | None = None
    note: str = ""
    about: str = ""
    person_id: str = ""
    customer: str = ""
    subject: str = ""
    mark: str = ""


class Stuck(msgspec.Struct, frozen=True):
    """A wake-up or effect that is long past its time: the worker should have seen to it.

    It is a journey's, a person's, or neither's: then ``of`` alone names it, as in ``member/ana``.
    """

    of: str
    what: str
    journey_id: str = ""
    person_id: str = ""


class Todos(msgspec.Struct, frozen=True):
    """A page of to-dos, most urgent first, and how many there are: in all (the empty name), by kind, and of the caller.

    With ``who``, those in all and by kind are theirs. A count with ``exact`` false says "at least". When those of one
    kind are looked for among those of one member, a page with ``next`` may hold fewer than were asked for, or none.
    """

    todos: list[Shown]
    counts: dict[str, Count]
    mine: Count
    stuck: list[Stuck]
    next: str = ""


class Attend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a member of staff does about a to-do: take it, snooze it until an instant, hand it over, or mark it done.

    ``seen`` is its ``mark`` as they saw it: if it has changed since, nothing is done (409). Empty: whatever it is.
    """

    journey_id: Annotated[str, msgspec.Meta(max_length=60)]
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    what: Literal["take", "snooze", "hand_over", "done"]
    to: Name = ""
    until: datetime | None = None
    note: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    seen: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Attended(msgspec.Struct, frozen=True):
    """What came of it. ``news`` is false when it was so already; ``stored`` says whether it waits in a queue."""

    journey_id: str
    news: bool
    stored: Literal["done", "queued"] = "done"


@operation(audit="saw", about="todos")
def listing(context: Context, asked: Asked) -> Todos:
    """List what needs a person now, most urgent first."""
    who = context.actor.id if asked.who == "me" else asked.who
    scope = f"todos/{asked.kind}/{who}"
    begins = paging.begins(context, scope, asked.cursor)
    lists = context.at.lists
    page = lists.todos(context.now, kind=asked.kind, who=who, cursor=begins, limit=asked.limit)
    staff = staff_of(context)
    counts = lists.count_kinds(context.now, who=who)
    return Todos(
        todos=[shown(one, staff, context.now) for one in lists.listed(page)],
        counts=counts,
        mine=counts[""] if who == context.actor.id else lists.count_todos(context.now, who=context.actor.id),
        stuck=[_stuck(late) for late in lists.stuck(context.now)],
        next=paging.follows(context, scope, page.cursor),
    )


@operation(audit="changed", about="journey/{journey_id}")
def attend(context: Context, asked: Attend) -> Attended:
    """Take a to-do, snooze it, hand it over, or mark it done."""
    if asked.until is not None and asked.until.tzinfo is None:
        raise BadField("until", "a time needs its offset, such as Z or +02:00")
    event = AttentionGiven(
        event_id=f"attention/{context.name}",
        occurred_at=context.now,
        journey_id=asked.journey_id,
        todo=asked.key,
        what=asked.what,
        by=context.actor.id,
        to=asked.to,
        until=asked.until,
        note=asked.note,
        seen=asked.seen,
    )
    handled = context.at.desk.hand_in(event)
    if handled is None:
        return Attended(asked.journey_id, news=True, stored="queued")
    return Attended(asked.journey_id, handled.news)


def staff_of(context: Context) -> Staff:
    """Return the staff directory of this moment."""
    store = context.at.documents
    found = store.version("staff", store.active("staff", context.now))
    assert isinstance(found, Staff)  # noqa: S101 - the document of that kind
    return found


def shown(listed: Listed, staff: Staff, now: datetime) -> Shown:
    """Return a to-do as lists and pages show it."""
    todo, journey, known = listed.todo, listed.journey, listed.person.customer
    return Shown(
        journey_id=journey.id,
        key=todo.key,
        kind=todo.kind,
        what=in_words(todo),
        severity=todo.severity,
        due=todo.due,
        overdue=todo.due < now,
        who=todo.who,
        who_name=name_of(staff, todo.who),
        raised_at=todo.raised_at,
        taken_at=todo.taken_at,
        snoozed_until=todo.snoozed_until if todo.snoozed_until and todo.snoozed_until > now else None,
        note=todo.note,
        about=todo.about,
        person_id=journey.person_id,
        customer=f"{known.first_name} {known.last_name}".strip() or known.email if known else "",
        subject=_about(journey),
        mark=attention.mark(todo),
    )


def _about(journey: Journey) -> str:
    """Return what a case was about, else its id; a remark that was logged here has an id that says nothing."""
    case = journey.case
    return (case.subject or (case.case_id if case.source != "console" else "")) if case else ""


def in_words(todo: Todo) -> str:
    """Return what is to be done."""
    return TO_DO.get(todo.reason, todo.reason.replace("_", " ").capitalize())


def name_of(staff: Staff, staff_id: str) -> str:
    """Return the name of a member of staff; of one who has left, their id."""
    member = staff.member(staff_id)
    return member.name if member else staff_id


def _stuck(late: Late) -> Stuck:
    kind, _, name = late.pk.partition("#")
    what = "A wake-up is late" if late.sk == "STATE" else f"Owed and not done: {late.sk.removeprefix('EFFECT#')}"
    of = {"J": "journey", "P": "person"}.get(kind, kind.lower())
    return Stuck(
        of=f"{of}/{name}" if name else of,
        what=what,
        journey_id=name if of == "journey" else "",
        person_id=name if of == "person" else "",
    )


assert set(KIND_WORDS) == set(KINDS)  # noqa: S101 - a kind without words would fail on a page
