"""Journeys: lists, one journey with all that is known of it, the acts of its recovery, stopping and resuming it."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import replace

from chalicelib.entry import act_form, decode, staff_view
from chalicelib.entry.api import paging, todos
from chalicelib.entry.api.operations import Context, operation
from chalicelib.entry.api.problems import BadField, NotFound
from chalicelib.journey import playbook
from chalicelib.journey.budget import REASONS
from chalicelib.journey.documents import Act, Documents, PlaybookStep
from chalicelib.journey.events import AnswerJudged, Case, Event, JourneyResumed, JourneyStopped, StaffActed
from chalicelib.journey.state import Answer, Ending, Journey, Person, Recovery, Reply, Stage, Touch
from chalicelib.store.lists import Listed, is_stage

JourneyId = Annotated[str, msgspec.Meta(max_length=60, description="The id of a journey, such as `jabc…`.")]
Words = Annotated[str, msgspec.Meta(max_length=8000)]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which journeys: all, or those in one stage (``recovering``, ``loyal``, …); newest first."""

    stage: Annotated[str, msgspec.Meta(max_length=20)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=50, description="How many at most on one page.")] = 25
    cursor: paging.Cursor = ""


class Row(msgspec.Struct, frozen=True):
    """A journey as it stands in a list."""

    journey_id: str
    stage: str
    subject: str
    case_id: str
    source: str
    team: str
    person_id: str
    customer: str
    born_at: datetime | None
    next_at: datetime | None
    recovery: str = ""


class Journeys(msgspec.Struct, frozen=True):
    """A page of journeys."""

    journeys: list[Row]
    next: str = ""


class One(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which journey."""

    journey_id: JourneyId


class TouchShown(msgspec.Struct, frozen=True):
    """One contact. ``reason`` says in words why it was not sent, or why it was moved later than planned."""

    id: str
    kind: str
    step: str
    status: str
    due_at: datetime
    at: datetime | None
    reason: str


class StepShown(msgspec.Struct, frozen=True):
    """One step of the open recovery's playbook (or of the last one's): when it was done and by whom, or until when."""

    act: Act
    label: str
    done_at: datetime | None
    by: str
    due: datetime | None
    current: bool


class Possible(msgspec.Struct, frozen=True):
    """An act that the playbook allows now: what it is called, and what its button says."""

    act: Act
    label: str
    button: str
    main: bool


class FactShown(msgspec.Struct, frozen=True):
    """What happened, in words, and the stage after it."""

    at: datetime
    text: str
    stage: str


class View(msgspec.Struct, frozen=True):
    """A journey with all that is known of it. ``wake`` says in words why it wakes at ``wake_at``.

    ``mark`` tells how far its open recovery is.
    """

    journey_id: str
    stage: str
    case: Case | None
    person_id: str
    customer: str
    email: str
    born_at: datetime | None
    wake_at: datetime | None
    wake: str
    cadence: tuple[str, int]
    playbook: tuple[str, int]
    can_resume: bool
    erased_at: datetime | None
    todos: list[todos.Shown]
    touches: list[TouchShown]
    answers: list[Answer]
    replies: list[Reply]
    recoveries: list[Recovery]
    steps: list[StepShown]
    possible: list[Possible]
    endings: list[Ending]
    facts: list[FactShown]
    mark: str = ""


class Mail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which mail of which journey."""

    journey_id: JourneyId
    touch_id: Annotated[str, msgspec.Meta(max_length=120)]


class AsSent(msgspec.Struct, frozen=True):
    """A mail exactly as it was sent; empty when no copy is kept any more."""

    subject: str = ""
    to: str = ""
    text: str = ""
    html: str = ""


class Acted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One act of the caller on the open recovery: what the customer reads, what was delivered, what was learnt.

    ``seen`` is the ``mark`` of the journey as they saw it: if the recovery has changed since, nothing is done (409).
    """

    journey_id: JourneyId
    act: Act
    text: Words = ""
    due: datetime | None = None
    amount: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,2})?$")] | None = None
    currency: Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{3})?$")] = ""
    redress: Literal["restitution", "goodwill"] = "restitution"
    cause: Words = ""
    improvement: Words = ""
    kept: bool = True
    seen: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Judge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a person gave a suspect answer. Whoever judges first has judged; the answer itself stays as it is."""

    journey_id: JourneyId
    answer_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    human: bool


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which journey to end, and why."""

    journey_id: JourneyId
    why: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class Changed(msgspec.Struct, frozen=True):
    """What came of it: the stage after it; ``queued`` when it is only kept until the table can be had."""

    journey_id: str
    stage: str
    news: bool = True


@operation(audit="saw", about="journeys")
def listing(context: Context, asked: Asked) -> Journeys:
    """List journeys, the newest first."""
    if asked.stage and not is_stage(asked.stage):
        raise BadField("stage", f"there is no such stage; there are {', '.join(set(Stage) - {Stage.UNBORN})}")
    scope = f"journeys/{asked.stage}"
    lists = context.at.lists
    begins = paging.begins(context, scope, asked.cursor)
    page = lists.journeys(stage=asked.stage, cursor=begins, limit=asked.limit)
    found = lists.read_journeys([place.pk for place in page.places])
    return Journeys(rows(context, found), paging.follows(context, scope, page.cursor))


@operation(audit="saw", about="journey/{journey_id}")
def show(context: Context, asked: One) -> View:
    """Show a journey with every fact, touch, answer and recovery."""
    journey, person, documents = found(context, asked.journey_id)
    known = person.customer
    subject = Subject(journey, person, documents)
    return View(
        journey_id=journey.id,
        stage=journey.stage.value,
        case=journey.case,
        person_id=journey.person_id,
        customer=name_of(person),
        email=known.email if known else "",
        born_at=journey.born_at,
        wake_at=journey.wake_at,
        wake=why_awake(journey, documents),
        cadence=journey.cadence,
        playbook=journey.playbook,
        can_resume=bool(journey.stopped_in) and journey.stage is Stage.UNKNOWN,
        erased_at=journey.erased_at,
        todos=[todos.shown(Listed(one, journey, person), documents.staff, context.now) for one in journey.todos],
        touches=[_touch(touch) for touch in journey.touches],
        answers=list(journey.answers),
        replies=list(journey.replies),
        recoveries=list(journey.recoveries),
        steps=_steps(journey, documents),
        possible=[
            Possible(name, label, button, main)  # type: ignore[arg-type]  # acts of the playbook
            for name, (label, button, main) in act_form.possible(journey.recovery, documents).items()
        ],
        endings=list(journey.endings),
        facts=[
            FactShown(fact.at, staff_view.describe(fact, subject), fact.stage)
            for fact in context.at.table.facts(f"J#{journey.id}")
        ],
        mark=playbook.mark(journey.recovery) if journey.recovery else "",
    )


@operation(audit="saw", about="journey/{journey_id}/mail/{touch_id}")
def mail(context: Context, asked: Mail) -> AsSent:
    """Show a mail exactly as it was sent."""
    journey, _, _ = found(context, asked.journey_id)
    touch = journey.touch(asked.touch_id)
    if touch is None:
        raise NotFound(f"no mail {asked.touch_id} in that journey")
    raw = context.at.mails.get(journey.id, touch.id) if touch.sent_at else None
    return as_sent(raw) if raw else AsSent()


@operation(
    audit=lambda asked: act_form.verb(asked.act, asked.text, asked.amount),
    about="journey/{journey_id}",
    amount="{amount} {currency}",
)
def act(context: Context, asked: Acted) -> Changed:
    """Do one step of the open recovery, in the playbook's order."""
    found(context, asked.journey_id)
    told = {name: value for name, value in msgspec.to_builtins(asked).items() if value is not None}
    seen = told.pop("seen")
    told |= {"by": context.actor.id, "acted_at": context.now.isoformat(), "act_id": context.name}
    event = decode.data("staff.acted", msgspec.json.encode(told), context.at.epochs)
    assert isinstance(event, StaffActed)  # noqa: S101 - the form of that type
    return hand_in(context, replace(event, seen=seen))


@operation(audit="changed", about="journey/{journey_id}/answer/{answer_id}")
def judge(context: Context, asked: Judge) -> Changed:
    """Say whether a person gave a suspect answer; a bad one that counts has its recovery at once."""
    journey, _, _ = found(context, asked.journey_id)
    if all(answer.id != asked.answer_id for answer in journey.answers):
        raise NotFound("no such answer in that journey")
    event = AnswerJudged(
        event_id=f"judged/{asked.answer_id}",
        occurred_at=context.now,
        journey_id=journey.id,
        answer_id=asked.answer_id,
        human=asked.human,
        by=context.actor.id,
    )
    return hand_in(context, event)


@operation(audit="changed", about="journey/{journey_id}")
def stop(context: Context, asked: Stop) -> Changed:
    """End a journey by a lead's word; nothing more is sent in it."""
    found(context, asked.journey_id)
    event = JourneyStopped(
        event_id=f"stopped/{context.name}",
        occurred_at=context.now,
        journey_id=asked.journey_id,
        by=context.actor.id,
        why=asked.why,
    )
    return hand_in(context, event)


@operation(audit="changed", about="journey/{journey_id}")
def resume(context: Context, asked: One) -> Changed:
    """Let a stopped journey go on; what may still be useful is planned again."""
    found(context, asked.journey_id)
    event = JourneyResumed(
        event_id=f"resumed/{context.name}",
        occurred_at=context.now,
        journey_id=asked.journey_id,
        by=context.actor.id,
    )
    return hand_in(context, event)


# -- shared with the other rooms -------------------------------------------------------------------------


class Subject(msgspec.Struct, frozen=True):
    """A journey, its person, and the documents that hold for it: what `entry/staff_view.py` shows things of."""

    journey: Journey
    person: Person
    documents: Documents


def found(context: Context, journey_id: str) -> tuple[Journey, Person, Documents]:
    """Return a journey with its person and documents; raises NotFound."""
    journey: Journey = context.at.table.journey(journey_id).value
    if journey.born_at is None and not journey.todos and journey.erased_at is None:
        raise NotFound(f"no journey {journey_id}")
    person: Person = context.at.table.person(journey.person_id).value
    return journey, person, context.at.documents.for_journey(journey, context.now)


def hand_in(context: Context, event: Event) -> Changed:
    """Hand an event in; raises what decide raises."""
    handled = context.at.desk.hand_in(event)
    if handled is None:
        return Changed(event.journey_id, "queued")
    return Changed(event.journey_id, handled.journey.stage.value if handled.journey else "", handled.news)


def rows(context: Context, journeys: list[Journey]) -> list[Row]:
    """Return journeys as they stand in lists, with the names of their customers."""
    persons = context.at.lists.persons({journey.person_id for journey in journeys if journey.person_id})
    return [_row(journey, persons.get(journey.person_id) or Person(id="")) for journey in journeys]


def _row(journey: Journey, person: Person) -> Row:
    case, recovery = journey.case, journey.recovery
    return Row(
        journey_id=journey.id,
        stage=journey.stage.value,
        subject=case.subject if case else "",
        case_id=case.case_id if case else "",
        source=case.source if case else "",
        team=case.team if case else "",
        person_id=journey.person_id,
        customer=name_of(person),
        born_at=journey.born_at,
        next_at=journey.wake_at,
        recovery=recovery.severity if recovery else "",
    )


def name_of(person: Person) -> str:
    """Return how a customer is called in lists: their name, else their address; empty when neither is known."""
    known = person.customer
    return f"{known.first_name} {known.last_name}".strip() or known.email if known else ""


def _touch(touch: Touch) -> TouchShown:
    at = touch.answered_at or touch.not_sent_at or touch.delivered_at or touch.sent_at
    reason = touch.reason or (touch.held if touch.is_planned else "")
    return TouchShown(touch.id, touch.kind, touch.step, touch.status, touch.due_at, at, REASONS.get(reason, reason))


def _steps(journey: Journey, documents: Documents) -> list[StepShown]:
    recovery = journey.recoveries[-1] if journey.recoveries else None
    if recovery is None:
        return []
    current = playbook.current(recovery, documents) if recovery.is_open else None
    return [_step(recovery, step, documents, current=step is current) for step in documents.playbook.steps]


def _step(recovery: Recovery, step: PlaybookStep, documents: Documents, *, current: bool) -> StepShown:
    done = next((one for one in recovery.done if one.act == step.act), None)
    return StepShown(
        act=step.act,
        label=step.label,
        done_at=done.at if done else None,
        by=todos.name_of(documents.staff, done.by) if done else "",
        due=playbook.due(recovery, step.act, documents),
        current=current,
    )


def why_awake(journey: Journey, documents: Documents) -> str:
    """Return in words what a journey wakes for next."""
    wake = journey.wake_at
    if wake is None:
        return ""
    planned = [(touch.due_at, f"the {touch.kind} is due") for touch in journey.touches if touch.is_planned]
    windows = [
        (touch.answerable_until, f"the time to answer the {touch.kind} is over")
        for touch in journey.touches
        if touch.answerable_until and not touch.answered_at
    ]
    work_on = [(at, "the recovery is looked at: its clock runs") for at in playbook.next_instants(journey, documents)]
    watch = [(journey.watch_until, "purchases are watched until then")] if journey.watch_until else []
    reasons: list[tuple[Any, str]] = [*planned, *windows, *work_on, *watch]
    passed = [(at, why) for at, why in reasons if at <= wake]
    again = "everybody was told, and the recovery is looked at again" if journey.recovery else "it is looked at again"
    return max(passed, default=(wake, again))[1]


def as_sent(raw: bytes) -> AsSent:
    """Return a mail of ours, read from its bytes."""
    # the mail library costs a cold start, and few ask
    from email import message_from_bytes, policy  # noqa: PLC0415

    parsed = message_from_bytes(raw, policy=policy.default)
    plain, rich = parsed.get_body(("plain",)), parsed.get_body(("html",))
    sent = AsSent(subject=str(parsed["Subject"] or ""), to=str(parsed["To"] or ""))
    return replace(
        sent,
        text=str(plain.get_content()) if plain is not None else "",
        html=str(rich.get_content()) if rich is not None else "",
    )
