"""Recoveries: what opens one, how severe it is, what staff may do next, and its clock."""

from collections.abc import Callable
from datetime import datetime

import msgspec
from msgspec.structs import replace

from chalicelib.journey import cadence, clock, loyalty, room
from chalicelib.journey.documents import Documents, PlaybookStep, Rank, Severity, Threshold
from chalicelib.journey.errors import ActRefused
from chalicelib.journey.events import ProposalAnswered, StaffActed
from chalicelib.journey.state import (
    MOST_REMEMBERED,
    Answer,
    Done,
    Journey,
    Person,
    Proposal,
    Recovery,
    Redress,
    Stage,
    Touch,
)
from chalicelib.journey.turn import Turn

_CURRENCY_LETTERS = 3
#: The steps that are done anew when a repair has not held.
_REPAIR = frozenset({"propose", "deliver", "thank", "debrief", "close"})


# -- weighing an answer ----------------------------------------------------------------------------------


def crosses(scores: dict[str, int], bound: Threshold) -> bool:
    """Say whether any of the scores is at or below its bound."""
    bounds = {"csat": bound.csat_max, "nps": bound.nps_max, "ces": bound.ces_max, "come_back": bound.come_back_max}
    low = any(limit is not None and scores.get(measure, limit + 1) <= limit for measure, limit in bounds.items())
    return low or (bound.not_solved and scores.get("solved") == 0)


def is_negative(answer: Answer, documents: Documents) -> bool:
    """Say whether this answer opens a recovery."""
    return crosses(answer.scores, documents.cadence.weighing.negative)


def is_urgent(words: str, documents: Documents) -> bool:
    """Say whether the words name danger, law or fraud."""
    lowered = words.lower()
    return any(word in lowered for word in documents.cadence.weighing.urgent_words)


def severity(
    answer: Answer, person: Person, documents: Documents, *, at_check_in: bool, counted: bool = False
) -> tuple[Severity, str]:
    """Return how severe the failure is, and why in one word for programs.

    ``counted`` says that the failure is among the person's failures already.
    """
    weighing, playbook = documents.cadence.weighing, documents.playbook
    since = answer.at - clock.elapsed(playbook.failures_within)
    failures = sum(failed_at > since for _, failed_at in person.failures) + (not counted)
    grounds: tuple[tuple[bool, Severity, str], ...] = (
        (is_urgent(answer.words, documents), "P1", "urgent_words"),
        (answer.call_back, "P1", "call_back"),
        (at_check_in and crosses(answer.scores, weighing.relapse_p1), "P1", "relapse"),
        (failures >= playbook.failures_for_p1, "P1", "repeated_failure"),
        (at_check_in and crosses(answer.scores, weighing.relapse_p2), "P2", "relapse"),
        (crosses(answer.scores, weighing.severity_p2), "P2", "core_failure"),
    )
    return next(((grade, why) for holds, grade, why in grounds if holds), ("P3", "negative_answer"))


# -- opening and closing ---------------------------------------------------------------------------------


def open_recovery(turn: Turn, answer: Answer, *, at_check_in: bool = False) -> None:
    """Open the one recovery that this answer calls for, acknowledge it, and give it to its owner."""
    grade, why = severity(answer, turn.person, turn.documents, at_check_in=at_check_in)
    turn.drop_planned("relapse" if at_check_in else "recovery_open")
    number = len(turn.journey.recoveries) + 1
    recovery = turn.put_recovery(
        Recovery(
            number=number,
            severity=grade,
            why=why,
            opened_at=turn.now,
            owner=turn.staff_of("agent").id,
            answers=(answer.id,),
        )
    )
    turn.change(stage=Stage.RECOVERING, track="", anchor=None, watch_until=None, stopped_in="")
    _remember_failure(turn, why)
    acknowledge(turn)
    target = due(recovery, "take", turn.documents)
    turn.notify(f"recovery-{number}", turn.owner(), "recovery_opened", about=str(number), due=target)
    if grade == "P1":
        turn.notify_rank(f"recovery-{number}-p1", "lead", "recovery_p1", about=str(number), due=target)


def _remember_failure(turn: Turn, why: str) -> None:
    person, me = turn.person, turn.journey.id
    recent = ((other, at) for other, at in person.failures if (turn.now - at).days <= 366)  # noqa: PLR2004 - a year and its leap day
    turn.change_person(
        failures=(*recent, (me, turn.now))[-MOST_REMEMBERED:],
        open_recoveries=tuple(dict.fromkeys((*person.open_recoveries, me)))[-MOST_REMEMBERED:],
        open_journeys=tuple(dict.fromkeys((*person.open_journeys, me)))[-MOST_REMEMBERED:],
    )
    turn.person = loyalty.standing(turn.person, "recovering", turn.now, (f"{why} on {turn.now:%Y-%m-%d}",))


def join_recovery(turn: Turn, answer: Answer, recovery: Recovery, *, relapse: bool, again: bool) -> None:
    """Give a further negative answer to the recovery that is open, so that it has exactly one.

    It may make the recovery more severe, never less. A ``relapse`` says that the repair has not held: the work
    goes back to the proposal. One that says what was said just before (``again``) changes nothing else.
    """
    joined = replace(recovery, answers=(*recovery.answers, answer.id))
    if again:
        turn.put_recovery(joined)
        return
    grade, why = severity(answer, turn.person, turn.documents, at_check_in=relapse, counted=True)
    graver = grade < recovery.severity
    if graver:
        joined = replace(joined, severity=grade, why=why)
    if relapse:
        done = tuple(done for done in recovery.done if done.act not in _REPAIR)
        joined = replace(joined, done=done, told=(), relapsed_at=turn.now)
        turn.drop_planned("relapse", kinds=("check-in",))
        turn.change(track="", anchor=None, watch_until=None)
    turn.put_recovery(joined)
    if relapse:
        acknowledge(turn)
    key = f"recovery-{recovery.number}-again-{answer.id}"
    turn.notify(key, turn.owner(), "answered_again", about=answer.id)
    if graver and grade == "P1":
        turn.notify_rank(f"{key}-p1", "lead", "recovery_p1", about=str(recovery.number))


def acknowledge(turn: Turn) -> None:
    """Owe the customer an acknowledgement of what they said, at once."""
    number = sum(touch.kind == "acknowledgement" for touch in turn.journey.touches) + 1
    turn.owe_mail(
        Touch(
            id=f"acknowledgement-{number}",
            kind="acknowledgement",
            due_at=turn.now,
            # An outage may hold it up. After that long, a machine's words are worse than the owner's own.
            latest_at=turn.now + clock.elapsed("P2D"),
            recovery=turn.journey.recoveries[-1].number,
        )
    )


def supersede(turn: Turn) -> None:
    """End an open recovery because its case is being worked on again; its owner is told."""
    recovery = turn.journey.recovery
    if recovery is not None:
        turn.notify(f"recovery-{recovery.number}-superseded", turn.owner(), "case_reopened", about=str(recovery.number))
        turn.put_recovery(replace(recovery, closed_at=turn.now, result="superseded"))


# -- the acts of staff -----------------------------------------------------------------------------------


def act(turn: Turn, event: StaffActed) -> None:
    """Do one act of staff, in the playbook's order.

    Raises ActRefused with the reason when the playbook does not allow it at this moment.
    """
    recovery = turn.journey.recovery
    if recovery is None:
        reason = "no_recovery"
        raise ActRefused(reason, "This journey has no open recovery.")
    # A clock that is behind ours must not undo the order of things.
    earliest = max([recovery.opened_at, *(done.at for done in recovery.done)])
    turn.event = event = replace(event, occurred_at=max(event.occurred_at, earliest))
    by = event.by or recovery.owner
    if turn.documents.staff.member(by) is None:
        reason = "unknown_staff"
        raise ActRefused(reason, f"There is no {by!r} in the staff directory.")
    if event.seen and event.seen != mark(recovery):
        reason = "changed_meanwhile"
        raise ActRefused(reason, _changed(turn, recovery))
    _check_order(turn, recovery, event)
    _ACTS[event.act](turn, replace(event, by=by), recovery)


def mark(recovery: Recovery) -> str:
    """Return what tells how far a recovery is: whoever acts on a page that shows another one acts on what is past."""
    counts = (recovery.number, len(recovery.done), len(recovery.proposals), len(recovery.redress))
    word = recovery.proposal.word if recovery.proposal else None
    return ".".join((*(str(one) for one in counts), word or "", recovery.owner))


def _changed(turn: Turn, recovery: Recovery) -> str:
    """Say what somebody else has done since."""
    owner = turn.documents.staff.member(recovery.owner)
    whose = f" It is {owner.name if owner else recovery.owner}'s now." if recovery.owner else ""
    return f"This recovery has changed since you looked, so nothing was done.{whose} Look again, then decide."


def _check_order(turn: Turn, recovery: Recovery, event: StaffActed) -> None:
    acts = [step.act for step in turn.documents.playbook.steps]
    if event.act not in acts:
        reason = "not_in_playbook"
        raise ActRefused(reason, f"The playbook has no step {event.act!r}.")
    missing = [act for act in acts[: acts.index(event.act)] if recovery.when(act) is None]
    if missing:
        reason = "out_of_order"
        raise ActRefused(reason, f"First {missing[0]}, then {event.act}: no step is completed before its predecessor.")
    if recovery.when(event.act) is not None and not _may_repeat(recovery, event):
        reason = "already_done"
        raise ActRefused(reason, f"{event.act} was already done for this recovery.")


def _may_repeat(recovery: Recovery, event: StaffActed) -> bool:
    """A recovery may change hands, be proposed anew until accepted, and get several lines of redress."""
    if event.act == "take":
        return event.by not in {"", recovery.owner}
    if event.act == "propose":
        return recovery.proposal is not None and not recovery.proposal.accepted and recovery.when("deliver") is None
    return event.act == "deliver"


def _finish(turn: Turn, event: StaffActed, recovery: Recovery) -> Recovery:
    """Mark the step done (its first time stands) and start the clock of the next one afresh."""
    done = recovery.done
    if recovery.when(event.act) is None:
        done = (*done, Done(act=event.act, at=turn.now, by=event.by, text=event.text))
    return turn.put_recovery(replace(recovery, done=done))


def _take(turn: Turn, event: StaffActed, recovery: Recovery) -> None:
    _finish(turn, event, replace(recovery, owner=event.by))


def _apologise(turn: Turn, event: StaffActed, recovery: Recovery) -> None:
    _finish(turn, event, recovery)
    if event.text:
        turn.owe_mail(_letter(turn, event, recovery, "apology"))


def _propose(turn: Turn, event: StaffActed, recovery: Recovery) -> None:
    if not event.text:
        reason = "incomplete"
        raise ActRefused(reason, "A proposal says what we will do.")
    if event.due is not None and event.due <= turn.now:
        reason = "past_date"
        raise ActRefused(reason, "A proposal promises a day that is still to come.")
    recovery = _finish(turn, event, recovery)
    number = len(recovery.proposals) + 1
    calendar = turn.documents.settings.calendar
    promised = event.due or calendar.add(turn.now, clock.span("P2BD"))
    proposal = Proposal(number=number, action=event.text, by=event.by, due_at=promised, proposed_at=turn.now)
    turn.put_recovery(replace(recovery, proposals=(*recovery.proposals, proposal)))
    turn.owe_mail(replace(_letter(turn, event, recovery, "proposal"), number=number))


def _deliver(turn: Turn, event: StaffActed, recovery: Recovery) -> None:
    _check_accepted(turn, recovery)
    first = recovery.when("deliver") is None
    if event.amount is not None:
        line = Redress(
            kind=event.redress,
            amount=event.amount,
            currency=event.currency.upper()[:_CURRENCY_LETTERS],
            by=event.by,
            delivered_at=turn.now,
        )
        recovery = replace(recovery, redress=(*recovery.redress, line))
    _finish(turn, event, recovery)
    if first:
        cadence.plan_track(turn, "after_recovery", turn.now)


def _check_accepted(turn: Turn, recovery: Recovery) -> None:
    """Redress follows a proposal that the customer accepts, or on which they said nothing for long enough."""
    proposal = recovery.proposal
    patience = clock.elapsed(turn.documents.playbook.deliver_without_word_after)
    if proposal is None or proposal.accepted:
        return
    if proposal.word is not None:
        reason = "not_accepted"
        raise ActRefused(reason, "The customer did not accept the proposal: make a better one first.")
    if turn.now < proposal.proposed_at + patience:
        reason = "no_word_yet"
        raise ActRefused(reason, "The customer has not answered the proposal yet.")


def _thank(turn: Turn, event: StaffActed, recovery: Recovery) -> None:
    _finish(turn, event, recovery)
    letter = _letter(turn, event, recovery, "thank-you")
    turn.put(replace(letter, due_at=cadence.waking(turn.now, turn.person, turn.documents)))


def _debrief(turn: Turn, event: StaffActed, recovery: Recovery) -> None:
    if not event.cause or not event.improvement:
        reason = "incomplete"
        raise ActRefused(reason, "A debrief names the cause, and the improvement or why there is none.")
    _finish(turn, event, replace(recovery, cause=event.cause, improvement=event.improvement))


def _close(turn: Turn, event: StaffActed, recovery: Recovery) -> None:
    recovery = _finish(turn, event, recovery)
    turn.put_recovery(replace(recovery, closed_at=turn.now, result="kept" if event.kept else "not_kept"))
    me = turn.journey.id
    turn.change_person(open_recoveries=tuple(other for other in turn.person.open_recoveries if other != me))
    if not event.kept:
        lose(turn, f"closed as not kept by {event.by} on {turn.now:%Y-%m-%d}")
    elif turn.person.no_asks_since is not None or turn.person.suppressed is not None:
        bounced = turn.person.suppressed is not None and turn.person.suppressed.reason == "hard_bounce"
        gone = Stage.UNREACHABLE if bounced else Stage.OPTED_OUT
        turn.end(gone, f"recovery {recovery.number} closed on {turn.now:%Y-%m-%d}; no more questions may be sent")
    else:
        turn.change(stage=Stage.CHECKING_IN)


_ACTS: dict[str, Callable[[Turn, StaffActed, Recovery], None]] = {
    "take": _take,
    "apologise": _apologise,
    "propose": _propose,
    "deliver": _deliver,
    "thank": _thank,
    "debrief": _debrief,
    "close": _close,
}


def _letter(turn: Turn, event: StaffActed, recovery: Recovery, kind: str) -> Touch:
    """A mail in a person's own name. ``event.text`` is what the customer reads."""
    count = sum(touch.kind == kind for touch in turn.journey.touches) + 1
    return Touch(
        id=f"{kind}-{count}",
        kind=kind,  # type: ignore[arg-type]  # one of three literals, by the callers above
        due_at=turn.now,
        latest_at=turn.now + clock.elapsed("P7D"),
        recovery=recovery.number,
        by=event.by,
        text=event.text,
    )


# -- the customer's word ---------------------------------------------------------------------------------


def answer_proposal(turn: Turn, event: ProposalAnswered) -> None:
    """Take the customer's word on a proposal; anything but an acceptance goes back to the owner."""
    recovery = next((one for one in turn.journey.recoveries if one.number == event.recovery), None)
    proposal = next((p for p in recovery.proposals if p.number == event.proposal), None) if recovery else None
    if recovery is None or proposal is None:
        turn.notify(f"proposal-late-{event.answer_id}", turn.owner(), "proposal_late", about=str(event.proposal))
        return
    if not recovery.is_open or proposal.accepted or recovery.proposal is not proposal:
        _keep_late_word(turn, event, recovery, proposal)
        return
    answered = replace(proposal, word=event.word, words=event.words, answered_at=event.occurred_at)
    others = tuple(answered if old.number == proposal.number else old for old in recovery.proposals)
    turn.put_recovery(replace(recovery, proposals=others))
    letters = (t for t in turn.journey.touches if t.kind == "proposal" and t.number == proposal.number)
    for letter in letters:
        turn.put(replace(letter, answered_at=event.occurred_at))
    reason = "proposal_accepted" if answered.accepted else "proposal_falls_short"
    turn.notify(f"proposal-{event.answer_id}", turn.owner(), reason, about=str(proposal.number))


def _keep_late_word(turn: Turn, event: ProposalAnswered, recovery: Recovery, proposal: Proposal) -> None:
    """Too late to change anything, never lost: it stands beside the first word, and the owner reads it."""
    before = proposal.revisions
    late = (
        event.occurred_at,
        event.word,
        room.fitting(event.words, (proposal.words, *(words for *_, words in before))),
    )
    said = replace(proposal, revisions=(*before, late)[: room.MOST_LATER])
    others = tuple(said if old.number == proposal.number else old for old in recovery.proposals)
    turn.put_recovery(replace(recovery, proposals=others))
    owner = turn.documents.staff.member(recovery.owner) or turn.owner()
    turn.notify(f"proposal-late-{event.answer_id}", owner, "proposal_late", about=str(proposal.number))


def lose(turn: Turn, fact: str) -> None:
    """End the journey as lost: the customer said no, and nothing better reached them."""
    turn.end(Stage.LOST, fact)
    turn.person = loyalty.standing(turn.person, "lost", turn.now, (fact,))


# -- the clock -------------------------------------------------------------------------------------------


def current(recovery: Recovery, documents: Documents) -> PlaybookStep | None:
    """Return the step that is due next, or None when all are done."""
    return next((step for step in documents.playbook.steps if recovery.when(step.act) is None), None)


class Next(msgspec.Struct, frozen=True):
    """What is next in an open recovery: an act, ``customer_word`` or ``better_proposal``; and until when."""

    reason: str
    due: datetime


def next_step(recovery: Recovery, documents: Documents) -> Next:
    """Return what is next and when it is due, while the customer's word is awaited too."""
    step = current(recovery, documents)
    if step is None:
        return Next(reason="close", due=recovery.opened_at)
    target, proposal = due(recovery, step.act, documents), recovery.proposal
    if target is not None or proposal is None:
        return Next(reason=step.act, due=target or recovery.opened_at)
    if proposal.word is None or proposal.answered_at is None:
        patience = clock.elapsed(documents.playbook.deliver_without_word_after)
        return Next(reason="customer_word", due=proposal.proposed_at + patience)
    propose = documents.playbook.step("propose")
    within = propose.target.of(recovery.severity) if propose else clock.span("P1BD")
    return Next(reason="better_proposal", due=_calendar_of(recovery, documents).add(proposal.answered_at, within))


def next_contact(recovery: Recovery, documents: Documents, now: datetime) -> datetime | None:
    """Return by when the customer hears from a person next, or None where no clock says so, or it has run out."""
    waiting = (act for act in ("apologise", "propose") if documents.playbook.step(act) and recovery.when(act) is None)
    act = next(waiting, None)
    target = due(recovery, act, documents) if act and recovery.is_open else None
    return target if target is not None and target > now else None


def due(recovery: Recovery, act: str, documents: Documents) -> datetime | None:
    """Return when a step should be done, in the working time of the owner, or None before its clock has started."""
    step = documents.playbook.step(act)
    start = _started(recovery, step) if step else None
    if step is None or start is None:
        return None
    return _calendar_of(recovery, documents).add(start, step.target.of(recovery.severity))


def _calendar_of(recovery: Recovery, documents: Documents) -> clock.Calendar:
    owner = documents.staff.member(recovery.owner)
    return (owner.calendar if owner else None) or documents.settings.calendar


def _started(recovery: Recovery, step: PlaybookStep) -> datetime | None:
    """Return from when the target of a step counts."""
    proposal = recovery.proposal
    if step.clock == "accepted":
        return proposal.answered_at if proposal and proposal.accepted else None
    if step.clock == "delivered":
        return recovery.when("deliver")
    again = recovery.relapsed_at if step.act in _REPAIR else None
    return again or recovery.opened_at


class Rung(msgspec.Struct, frozen=True):
    """One escalation that nobody was told of yet: when, its key, why, and the ranks to tell."""

    at: datetime
    key: str
    reason: str
    ranks: tuple[Rank, ...]
    act: str


def rungs(recovery: Recovery, documents: Documents) -> list[Rung]:
    """Return the escalations of the current step that nobody was told of yet, earliest first."""
    step = current(recovery, documents)
    if step is None:
        return []
    target, start = due(recovery, step.act, documents), _started(recovery, step)
    calendar = _calendar_of(recovery, documents)
    if target is None or start is None:
        found = _silence_on_proposal(recovery, step, documents)
    else:
        found = [
            Rung(
                at=calendar.next_open(clock.at_percent(start, target, rung.at_percent)),
                key=f"{step.act}-{len(recovery.done)}-{rung.at_percent}",
                reason="overdue" if rung.at_percent >= 100 else "due_soon",  # noqa: PLR2004 - per cent
                ranks=rung.tell,
                act=step.act,
            )
            for rung in documents.playbook.escalation
        ]
    return [rung for rung in found if rung.key not in recovery.told]


def _silence_on_proposal(recovery: Recovery, step: PlaybookStep, documents: Documents) -> list[Rung]:
    """When the customer says nothing on a proposal, its owner is told that it may be carried out all the same."""
    proposal = recovery.proposal
    if proposal is None or proposal.word is not None:
        return []
    at = proposal.proposed_at + clock.elapsed(documents.playbook.deliver_without_word_after)
    return [Rung(at=at, key=f"no-word-{proposal.number}", reason="no_word", ranks=("agent",), act=step.act)]


def ring(turn: Turn) -> None:
    """Escalate what is overdue, and end what the customer has declined for too long.

    Of several rungs that fell due together only the highest is told: one notice, not four.
    """
    recovery = turn.journey.recovery
    if recovery is None:
        return
    declined = declined_until(recovery, turn.documents)
    if declined is not None and declined <= turn.now:
        _give_up(turn, recovery)
        return
    passed = [rung for rung in rungs(recovery, turn.documents) if rung.at <= turn.now]
    if passed:
        turn.put_recovery(replace(recovery, told=(*recovery.told, *(rung.key for rung in passed))))
        _escalate(turn, recovery, passed[-1])


def _escalate(turn: Turn, recovery: Recovery, rung: Rung) -> None:
    for rank in rung.ranks:
        member = turn.owner() if rank == "agent" else turn.staff_of(rank)
        target = due(recovery, rung.act, turn.documents)
        turn.notify(f"recovery-{recovery.number}-{rung.key}", member, rung.reason, about=rung.act, due=target)


def declined_until(recovery: Recovery, documents: Documents) -> datetime | None:
    """Return when a customer who declined the last proposal counts as lost, or None."""
    proposal = recovery.proposal
    if proposal is None or proposal.answered_at is None or proposal.accepted or recovery.when("deliver"):
        return None
    return proposal.answered_at + clock.elapsed(documents.playbook.lost_after_falls_short)


def _give_up(turn: Turn, recovery: Recovery) -> None:
    proposal = recovery.proposal
    said = f"{proposal.answered_at:%Y-%m-%d}" if proposal and proposal.answered_at else "?"
    turn.put_recovery(replace(recovery, closed_at=turn.now, result="not_kept"))
    lose(turn, f"declined the proposal on {said}; nothing better was proposed until {turn.now:%Y-%m-%d}")
    turn.notify_rank(f"recovery-{recovery.number}-lost", "lead", "customer_lost", about=str(recovery.number))


def next_instants(journey: Journey, documents: Documents) -> list[datetime]:
    """Return the instants at which the open recovery wants to be looked at: escalations, and the end of patience.

    Work that has climbed the whole ladder is looked at every `Playbook.idle_look_every`; no mail comes of it.
    """
    recovery = journey.recovery
    if recovery is None:
        return []
    declined = declined_until(recovery, documents)
    return [*(rung.at for rung in rungs(recovery, documents)), *([declined] if declined else [])]
