"""Whoever asks for silence gets it from this commit on, over all their journeys; so does an address that is dead."""

from chalicelib.journey import clock
from chalicelib.journey import events as e
from chalicelib.journey.rules import CALM, leads_to
from chalicelib.journey.state import Stage, Suppression
from chalicelib.journey.turn import NOT_OWED, Turn

#: Why a touch is not sent, by how its customer was silenced, where their address says nothing more.
_REASON_OF = {"opted_out": "opted_out", "unreachable": "hard_bounce"}


@leads_to(Stage.OPTED_OUT, of=CALM)
def opt_out(turn: Turn) -> None:
    """Hold what the customer asked for from this commit on, over all their journeys."""
    event = turn.event
    assert isinstance(event, e.OptedOut)  # noqa: S101 - the table gives no other
    if event.scope == "pause":
        turn.change_person(paused_until=turn.now + clock.elapsed(turn.documents.settings.pause))
        return
    turn.change_person(no_asks_since=turn.person.no_asks_since or turn.now)
    if event.scope == "everything":
        turn.change_person(no_mail_since=turn.person.no_mail_since or turn.now)
        suppress(turn, "opted_out")
    silence(turn, "opted_out", event.scope, f"opted out of {event.scope} on {turn.now:%Y-%m-%d}")


def silence(turn: Turn, reason: str, scope: e.Scope, fact: str) -> None:
    """End this journey, or keep only its open recovery going person to person; tell the person's other journeys."""
    _go_quiet(turn, reason, scope, fact)
    turn.tell_other_journeys(
        e.PersonSilenced(
            event_id=f"silenced/{turn.event.event_id}",
            occurred_at=turn.now,
            reason=reason,  # type: ignore[arg-type]  # two literals above
            scope=scope,
        )
    )


def _go_quiet(turn: Turn, reason: str, scope: e.Scope, fact: str) -> None:
    if turn.journey.is_final or turn.journey.stage is Stage.UNBORN:
        return
    # A complaint silences as a word to us does; what was planned says which of the two it was.
    held = turn.person.suppressed
    turn.drop_planned(held.reason if held is not None else _REASON_OF[reason], kinds=NOT_OWED)
    recovery = turn.journey.recovery
    if recovery is None:
        turn.end(Stage(reason), fact)
        return
    if scope == "everything":
        turn.notify(f"another-way-{turn.event.event_id}", turn.owner(), "another_way", about=str(recovery.number))


@leads_to(Stage.OPTED_OUT, Stage.UNREACHABLE, of=CALM)
def hear_silence(turn: Turn) -> None:
    """The customer was silenced by way of another journey."""
    event = turn.event
    assert isinstance(event, e.PersonSilenced)  # noqa: S101 - the table gives no other
    _go_quiet(turn, event.reason, event.scope, f"{event.reason} by way of another journey on {turn.now:%Y-%m-%d}")


def suppress(turn: Turn, reason: str, email: str = "") -> bool:
    """Suppress the address that this is about; says whether it is still the customer's."""
    address = email or turn.person.email
    if not address:
        return True
    held = Suppression(email=address, reason=reason, at=turn.now)  # type: ignore[arg-type]  # the literals of callers
    turn.suppress.append(held)
    mine = address.lower() == turn.person.email.lower()
    if mine:
        turn.change_person(suppression=held)
    return mine
