"""The page on which staff work one recovery, opened by the signed link of a notice.

The link is bound to the journey and to the member of staff, and expires. What is seen and done by it stands in the
audit as what is seen and done in the console does.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from secrets import token_hex
from typing import Any, get_args

import msgspec
from chalice import Response
from msgspec.structs import replace

from chalicelib.effects import letters, rendering, words
from chalicelib.entry import act_form, http, staff_view
from chalicelib.entry.decode import BadInput, Epochs, data
from chalicelib.entry.desk import OUTSIDE, Desk, Unavailable
from chalicelib.entry.pages.given_back import given_back
from chalicelib.entry.pages.reception import LastBrand, Visit, visited
from chalicelib.journey import playbook
from chalicelib.journey.documents import Act, StaffMember
from chalicelib.journey.errors import ActRefused
from chalicelib.journey.events import (
    AnswerJudged,
    StaffActed,
)
from chalicelib.journey.state import Journey
from chalicelib.links import BadLink, Links
from chalicelib.store.audit import Audit, Entry, Verb, audit_id
from chalicelib.store.mails import MailArchive

_JUDGE = "judge"
_LONGEST_MARK = 200
_SAYS = {
    "take": "You are the owner.",
    "apologise": "Your apology is on its way, or noted as spoken.",
    "propose": "Your proposal is on its way.",
    "deliver": "Delivered, and written into the ledger.",
    "thank": "Your thanks will arrive in the customer's waking hours.",
    "debrief": "The debrief is kept.",
    "close": "Closed.",
    "judge": "Thank you: your judgement is kept, and acted on.",
}
_PATH = re.compile(r"`\$\.(?:data\.)?(\w+)")


class Work:
    """Shows a recovery and hands in the acts of staff."""

    def __init__(
        self,
        desk: Desk,
        links: Links,
        epochs: Epochs,
        now: Callable[[], datetime],
        mails: Callable[[], MailArchive],
        audit: Callable[[], Audit],
    ) -> None:
        """Keep its partners; ``mails`` gives the archive when somebody asks for a mail."""
        self._mails = mails
        self._audit = audit
        self._desk = desk
        self._links = links
        self._epochs = epochs
        self._now = now
        self._brand = LastBrand(desk.pipeline)

    def show(self, request: Any, token: str) -> Response:
        """Show the recovery, and the mail that ``?mail=`` names as the customer has it."""
        wanted = (request.query_params or {}).get("mail", "")
        return self._with(token, {}, lambda visit, member: self._shown(visit, member, wanted))

    def _shown(self, visit: Visit, member: StaffMember, mail: str) -> Response:
        self._note(member, visit.journey, "saw", "work.show")
        return self._page(visit, member, mail=mail)

    def act(self, request: Any, token: str) -> Response:
        """Do one act; the page shows what came of it."""
        try:
            fields = http.form(request)
        except http.BadForm:
            errors = ["That form was not ours."]
            return self._with(token, {}, lambda visit, member: self._page(visit, member, errors=errors, status=400))
        return self._with(token, fields, lambda visit, member: self._do(fields, token, visit, member))

    def _do(self, fields: dict[str, str], token: str, visit: Visit, member: StaffMember) -> Response:
        try:
            event = self._event(fields, visit.journey, member)
            handled = self._desk.hand_in(event)
        except ActRefused as error:
            return self._page(visit, member, errors=[error.explanation], typed=fields, status=409)
        except BadInput as error:
            wrong = {error.field: str(error)} if isinstance(error, act_form.WrongField) else {}
            return self._page(visit, member, errors=[str(error)], typed=fields, wrong=wrong, status=422)
        if isinstance(event, StaffActed):
            self._note(member, visit.journey, act_form.verb_of(event), "work.act", act_form.spent_by(event))
        else:
            self._note(member, visit.journey, "changed", "work.act")
        if handled is None:
            return http.page("received", visit.brand, {}, status=202)
        return self._page(*self._again(token, visit, member), notice=_SAYS.get(fields.get("act", ""), ""))

    def _note(self, member: StaffMember, journey: Journey, verb: Verb, operation: str, amount: str = "") -> None:
        """Write into the audit who saw or did what by the link of a notice.

        After it was done, unlike in the console: it is a fact of its journey, with whose it was, and one that waits in
        the queue because the table cannot be had must not be lost for want of this.
        """
        about = f"journey/{journey.id}"
        with suppress(*OUTSIDE):
            self._audit().add(
                Entry(audit_id(), self._now(), member.id, member.may, verb, operation, about, amount=amount)
            )

    def _again(self, token: str, visit: Visit, member: StaffMember) -> tuple[Visit, StaffMember]:
        """Return the recovery as it is after an act; as it was before, when just now it cannot be read."""
        try:
            return self._open(token) or (visit, member)
        except OUTSIDE:
            return visit, member

    def _with(self, token: str, fields: dict[str, str], show: Callable[[Visit, StaffMember], Response]) -> Response:
        """Go on with what a link is about; while nothing can be had, give the form back."""
        try:
            found = self._open(token)
            return show(*found) if found else http.page("bad_link", self._brand(self._now()), {}, status=404)
        except (Unavailable, *OUTSIDE):
            return http.page("sorry", self._brand(self._now()), given_back(fields, words.words("en")), status=503)

    def _event(self, fields: dict[str, str], journey: Journey, member: StaffMember) -> StaffActed | AnswerJudged:
        """Read a form as the same message that the API takes, so that one place checks it."""
        if fields.get("act") == _JUDGE:
            return self._judgement(fields, journey, member)
        if fields.get("act") not in get_args(Act):
            message = "There is no such act."
            raise BadInput(message)
        told = act_form.acted(fields, member.calendar or self._documents().settings.calendar)
        told |= {"journey_id": journey.id, "by": member.id, "acted_at": self._now().isoformat()}
        told["act_id"] = fields.get("view", "") or token_hex(16)
        try:
            event = data("staff.acted", msgspec.json.encode(told), self._epochs)
        except BadInput as error:
            path = _PATH.search(str(error))
            if path is None:
                raise
            raise act_form.WrongField(path[1]) from error
        assert isinstance(event, StaffActed)  # noqa: S101 - the form of that type
        return replace(event, seen=fields.get("seen", "")[:_LONGEST_MARK])

    def _judgement(self, fields: dict[str, str], journey: Journey, member: StaffMember) -> AnswerJudged:
        """Whoever judges first has judged: the event is named after the answer."""
        answer_id, verdict = fields.get("answer", ""), fields.get("verdict", "")
        if verdict not in {"person", "machine"} or answer_id not in {answer.id for answer in journey.answers}:
            message = "Please say of one of these answers whether a person gave it."
            raise BadInput(message)
        return AnswerJudged(
            event_id=f"judged/{answer_id}",
            occurred_at=self._now(),
            journey_id=journey.id,
            answer_id=answer_id,
            human=verdict == "person",
            by=member.id,
        )

    def _documents(self) -> Any:
        return self._desk.pipeline.documents.for_journey(Journey(id=""), self._now())

    def _open(self, token: str) -> tuple[Visit, StaffMember] | None:
        try:
            link = self._links.read(token, "work", self._now())
        except BadLink:
            return None
        visit = visited(link, self._desk.pipeline, self._now())
        member = visit.documents.staff.member(visit.link.subject) if visit else None
        return (visit, member) if visit and member else None

    def _page(
        self,
        visit: Visit,
        member: StaffMember,
        *,
        notice: str | None = None,
        errors: Sequence[str] = (),
        typed: Mapping[str, str] | None = None,
        wrong: Mapping[str, str] | None = None,
        mail: str = "",
        status: int = 200,
    ) -> Response:
        facts = self._desk.pipeline.table.facts(f"J#{visit.journey.id}")
        zone = letters.staff_zone(member, visit.documents)
        recovery = visit.journey.recovery or (visit.journey.recoveries[-1] if visit.journey.recoveries else None)
        context = {
            "staff": rendering.staff(member),
            "recovery": staff_view.recovery_shown(visit, recovery, zone),
            "customer": _customer(visit),
            "case": rendering.case(visit.journey),
            "answers": staff_view.answers_shown(visit.journey, zone),
            "doubtful": staff_view.doubtful_shown(visit.journey, zone),
            "steps": staff_view.steps_shown(visit, recovery, zone, self._now()),
            "mails": staff_view.mails_shown(visit.journey, zone),
            "mail": self._mail(visit.journey, mail),
            "timeline": [
                {"at": staff_view.short(fact.at, zone), "text": staff_view.describe(fact, visit)} for fact in facts
            ],
            "forms": act_form.forms(visit.documents, recovery, typed or {}, wrong or {}),
            "notice": notice,
            "errors": list(errors),
            "view": token_hex(16),
            "mark": playbook.mark(visit.journey.recovery) if visit.journey.recovery else "",
            "action": "",
        }
        return http.page("recovery", visit.brand, context, status=status)

    def _mail(self, journey: Journey, touch_id: str) -> dict[str, str] | None:
        """Return a mail as it was sent; None when none is asked for, or it never went out."""
        touch = journey.touch(touch_id)
        if touch is None or not touch.sent_at:
            return None
        raw = self._mails().get(journey.id, touch.id)
        return {"id": touch.id, **_as_read(raw)} if raw else {"id": touch.id, "subject": "", "text": ""}


def _as_read(raw: bytes) -> dict[str, str]:
    """Return subject and text of a mail of ours."""
    # the mail library costs a cold start, and few ask
    from email import message_from_bytes, policy  # noqa: PLC0415

    found = message_from_bytes(raw, policy=policy.default)
    body = found.get_body(("plain",))
    return {"subject": str(found["Subject"] or ""), "text": str(body.get_content()) if body is not None else ""}


def _customer(visit: Visit) -> dict[str, str]:
    known = visit.person.customer
    return {
        "name": f"{known.first_name} {known.last_name}".strip() if known else "",
        "email_shown": visit.person.email,
        "locale": known.locale if known else "",
        "zone": rendering.customer_zone(visit.person, visit.documents),
    }
