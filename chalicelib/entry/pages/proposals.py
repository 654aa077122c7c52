"""The page on which customers say whether what we propose is right."""

from typing import Any, get_args

from chalice import Response

from chalicelib.effects import letters, rendering
from chalicelib.effects.words import N_, Words
from chalicelib.entry import http
from chalicelib.entry.pages.answer_form import TOO_LONG, too_long, written
from chalicelib.entry.pages.reception import A_PERSON_READS, Reception, Visit, fields_of, identity, only_switches
from chalicelib.journey.events import Event, ProposalAnswered, Word
from chalicelib.journey.state import Recovery
from chalicelib.links import Link, Shown
from chalicelib.pipeline import Handled


class Proposals:
    """Shows what we propose and takes the customer's word on it."""

    def __init__(self, reception: Reception) -> None:
        """Keep its partner."""
        self._at = reception

    def show(self, request: Any, token: str) -> Response:
        """Show what we propose, with the choice of the link marked."""

        def show(visit: Visit) -> Response | None:
            found = _proposed(visit)
            marked = {"choice": http.query(request, "r")}
            return _page(visit, found, marked, self._at.fresh(visit.link)) if found else None

        return self._at.show(request, token, "proposal", show)

    def answer(self, request: Any, token: str) -> Response:
        """Take the customer's word on a proposal."""
        fields = fields_of(request)
        word = fields.get("choice", "")

        def take(visit: Visit) -> Response | None:
            found = _proposed(visit)
            if found is None:
                return None
            shown = self._at.pressed(request, visit.link, fields, visit.documents.settings.trust)
            if shown is None or only_switches(fields):
                view = self._at.same(visit.link, fields, shown)
                return _page(visit, found, fields, view, again=not only_switches(fields))
            if word not in get_args(Word):
                error = visit.said.text("Please choose one of the four.")
                return _page(visit, found, fields, fields["view"], error=error)
            if too_long(fields, "comment"):
                return _page(visit, found, fields, fields["view"])
            event = self._word(visit.link, fields, shown)
            return self._at.hand_in(event, fields, visit.said, lambda handled: _thanks(handled, event, visit))

        def keep(link: Link, shown: Shown | None) -> Event | None:
            sound = shown and word in get_args(Word) and not too_long(fields, "comment")
            return self._word(link, fields, shown) if shown and sound else None

        return self._at.open(request, fields, token, "proposal", take, keep)

    def _word(self, link: Link, fields: dict[str, str], shown: Shown) -> ProposalAnswered:
        recovery, _, number = link.subject.partition(".")
        name = identity(shown.name, fields["choice"], written(fields, "comment"))
        return ProposalAnswered(
            event_id=f"answer/{name}",
            occurred_at=self._at.now(),
            journey_id=link.journey_id,
            answer_id=name,
            recovery=int(recovery),
            proposal=int(number),
            word=fields["choice"],  # type: ignore[arg-type]  # the caller has looked
            words=written(fields, "comment"),
        )


def _proposed(visit: Visit) -> tuple[Recovery, int] | None:
    """Return the recovery and the number of the proposal that a link names."""
    recovery_number, _, number = visit.link.subject.partition(".")
    for recovery in visit.journey.recoveries:
        if str(recovery.number) == recovery_number and number in {str(one.number) for one in recovery.proposals}:
            return recovery, int(number)
    return None


def _page(
    visit: Visit,
    proposed: tuple[Recovery, int],
    fields: dict[str, str],
    view: str,
    error: str | None = None,
    *,
    again: bool = False,
) -> Response:
    recovery, number = proposed
    said = visit.said
    comment_error = said.text(TOO_LONG) if too_long(fields, "comment") else None
    errors = [text for text in (error, comment_error) if text]
    proposal = recovery.proposals[number - 1]
    zone = rendering.customer_zone(visit.person, visit.documents)
    chosen = fields.get("choice", "")
    by = visit.documents.staff.member(proposal.by) or letters.owner_of(recovery, visit.documents)
    context = {
        "case": rendering.case(visit.journey),
        "owner": rendering.staff(by, said),
        "action_text": proposal.action,
        "promised_by": said.day(proposal.due_at, zone),
        "note": "",
        "options": [
            {"value": word, "label": said.text(text), "selected": word == chosen}
            for word, text in letters.WORDS.items()
        ],
        "comment_value": fields.get("comment", ""),
        "errors": errors,
        "choice_error": error,
        "comment_error": comment_error,
        "view": view,
        "closed_message": _closed_message(recovery, number, said),
        "again": again,
    }
    return http.page("proposal", visit.brand, context, 422 if errors or again else 200, said)


def _closed_message(recovery: Recovery, number: int, said: Words) -> str | None:
    """Return what has happened since a proposal was made, or None while it waits for the customer's word."""
    if not recovery.is_open:
        return said.text("This has been closed. Your words still reach a person.")
    if recovery.proposal is not None and recovery.proposal.number != number:
        return said.text(
            "We have since made you a better proposal: it is in our latest mail. Your words here still reach a person."
        )
    if recovery.proposals[number - 1].accepted:
        return said.text(
            "You have accepted this; thank you. If something has changed, your words still reach a person."
        )
    return None


def _thanks(handled: Handled, event: ProposalAnswered, visit: Visit) -> Response:
    """Thank, and say what comes of it: by what holds now, not by what the form said."""
    recoveries = handled.journey.recoveries if handled.journey else ()
    recovery = next((one for one in recoveries if one.number == event.recovery and one.is_open), None)
    proposal = recovery.proposal if recovery else None
    message = A_PERSON_READS
    if recovery is not None and proposal is not None and proposal.number == event.proposal:
        if event.word not in {"exceeds", "meets"}:
            message = N_("Your answer goes to the person who looks after this, now.")
        elif proposal.accepted and recovery.when("deliver") is None:
            message = N_("We now carry it out.")
    context = {
        "first_name": rendering.first_name(handled.person) if handled.person else None,
        "negative": False,
        "owner": None,
        "next_contact_by": None,
        "message": visit.said.text(message),
    }
    return http.page("thanks", visit.brand, context, said=visit.said)
