"""The page on which staff work one recovery, opened by the signed link of a notice.

The link is bound to the journey and to the member of staff, and expires. What is seen and done by it stands in the
audit as what is seen and done in the console does.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from secrets import token_hex
from typing import Any, Protocol, get_args

import msgspec
from chalice import Response

from chalicelib.effects import letters, rendering, words
from chalicelib.entry import http, pages
from chalicelib.entry.decode import BadInput, Epochs, data
from chalicelib.entry.desk import OUTSIDE, Desk, Unavailable
from chalicelib.journey import clock, playbook
from chalicelib.journey.budget import REASONS
from chalicelib.journey.documents import Act, Documents, StaffMember
from chalicelib.journey.errors import ActRefused
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
from chalicelib.links import BadLink, Links
from chalicelib.store.audit import Audit, Entry, Verb, audit_id
from chalicelib.store.mails import MailArchive
from chalicelib.store.table import Fact

_JUDGE = "judge"
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
_ACTED = {
    "take": "Taken",
    "apologise": "Apologised",
    "propose": "Proposed",
    "deliver": "Delivered",
    "thank": "Thanked",
    "debrief": "Debriefed",
    "close": "Closed",
}
#: What is wrong with a field, as a person would put it.
_WRONG = {
    "amount": "An amount is written like 25.00.",
    "currency": "A currency is three letters, like USD.",
    "redress": "Please choose what it is: restitution or goodwill.",
    "due": "The day is written as year-month-day.",
    "text": "Please write at most 8,000 characters.",
    "cause": "Please write at most 8,000 characters.",
    "improvement": "Please write at most 8,000 characters.",
}
_PATH = re.compile(r"`\$\.(?:data\.)?(\w+)")
_SIGNS = re.compile(r"[\s$€£¥']")
_PLAIN = re.compile(r"(?P<whole>[0-9]{1,9})(?:[.,](?P<cents>[0-9]{1,2}))?")
_GROUPED = (
    re.compile(r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+)(?:\.(?P<cents>[0-9]{1,2}))?"),
    re.compile(r"(?P<whole>[0-9]{1,3}(?:\.[0-9]{3})+)(?:,(?P<cents>[0-9]{1,2}))?"),
)


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


class WrongField(BadInput):
    """What is wrong with one field of a form, in a plain sentence."""

    def __init__(self, field: str) -> None:
        """Keep which field it is."""
        super().__init__(_WRONG.get(field, "That form was not ours."))
        self.field = field


def verb(act: str, text: str, amount: str | None) -> Verb:
    """Return how the audit calls an act: what was delivered was spent, and what the customer reads was sent."""
    if act == "deliver" and amount:
        return "spent"
    return "sent" if act in {"apologise", "propose", "thank"} and text else "changed"


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
        self._brand = pages.LastBrand(desk.pipeline)

    def show(self, request: Any, token: str) -> Response:
        """Show the recovery, and the mail that ``?mail=`` names as the customer has it."""
        wanted = (request.query_params or {}).get("mail", "")
        return self._with(token, {}, lambda visit, member: self._shown(visit, member, wanted))

    def _shown(self, visit: pages.Visit, member: StaffMember, mail: str) -> Response:
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

    def _do(self, fields: dict[str, str], token: str, visit: pages.Visit, member: StaffMember) -> Response:
        try:
            event = self._event(fields, visit.journey, member)
            handled = self._desk.hand_in(event)
        except ActRefused as error:
            return self._page(visit, member, errors=[error.explanation], typed=fields, status=409)
        except BadInput as error:
            wrong = {error.field: str(error)} if isinstance(error, WrongField) else {}
            return self._page(visit, member, errors=[str(error)], typed=fields, wrong=wrong, status=422)
        self._note(member, visit.journey, _verb_of(event), "work.act", _amount_of(event))
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

    def _again(self, token: str, visit: pages.Visit, member: StaffMember) -> tuple[pages.Visit, StaffMember]:
        """Return the recovery as it is after an act; as it was before, when just now it cannot be read."""
        try:
            return self._open(token) or (visit, member)
        except OUTSIDE:
            return visit, member

    def _with(
        self, token: str, fields: dict[str, str], show: Callable[[pages.Visit, StaffMember], Response]
    ) -> Response:
        """Go on with what a link is about; while nothing can be had, give the form back."""
        try:
            found = self._open(token)
            return show(*found) if found else http.page("bad_link", self._brand(self._now()), {}, status=404)
        except (Unavailable, *OUTSIDE):
            return http.page("sorry", self._brand(self._now()), pages.given_back(fields, words.words("en")), status=503)

    def _event(self, fields: dict[str, str], journey: Journey, member: StaffMember) -> StaffActed | AnswerJudged:
        """Read a form as the same message that the API takes, so that one place checks it."""
        if fields.get("act") == _JUDGE:
            return self._judgement(fields, journey, member)
        if fields.get("act") not in get_args(Act):
            message = "There is no such act."
            raise BadInput(message)
        told = acted(fields, member.calendar or self._documents().settings.calendar)
        told |= {"journey_id": journey.id, "by": member.id, "acted_at": self._now().isoformat()}
        told["act_id"] = fields.get("view", "") or token_hex(16)
        try:
            event = data("staff.acted", msgspec.json.encode(told), self._epochs)
        except BadInput as error:
            path = _PATH.search(str(error))
            if path is None:
                raise
            raise WrongField(path[1]) from error
        assert isinstance(event, StaffActed)  # noqa: S101 - the form of that type
        return event

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

    def _open(self, token: str) -> tuple[pages.Visit, StaffMember] | None:
        try:
            link = self._links.read(token, "work", self._now())
        except BadLink:
            return None
        visit = pages.visited(link, self._desk.pipeline, self._now())
        member = visit.documents.staff.member(visit.link.subject) if visit else None
        return (visit, member) if visit and member else None

    def _page(
        self,
        visit: pages.Visit,
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
            "recovery": recovery_shown(visit, recovery, zone),
            "customer": _customer(visit),
            "case": rendering.case(visit.journey),
            "answers": answers_shown(visit.journey, zone),
            "doubtful": _doubtful(visit.journey, zone),
            "steps": steps_shown(visit, recovery, zone, self._now()),
            "mails": _mails(visit.journey, zone),
            "mail": self._mail(visit.journey, mail),
            "timeline": [{"at": _short(fact.at, zone), "text": describe(fact, visit)} for fact in facts],
            "forms": forms(visit, recovery, typed or {}, wrong or {}),
            "notice": notice,
            "errors": list(errors),
            "view": token_hex(16),
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


def _verb_of(event: StaffActed | AnswerJudged) -> Verb:
    return verb(event.act, event.text, str(event.amount or "")) if isinstance(event, StaffActed) else "changed"


def _amount_of(event: StaffActed | AnswerJudged) -> str:
    return f"{event.amount} {event.currency}" if _verb_of(event) == "spent" and isinstance(event, StaffActed) else ""


def _mails(journey: Journey, zone: str) -> list[dict[str, str]]:
    """Return the mails that went out to the customer, the oldest first."""
    gone = [(touch.sent_at, touch) for touch in journey.touches if touch.sent_at is not None]
    return [
        {"id": touch.id, "name": f"{touch.kind}{f' ({touch.step})' if touch.step else ''}", "at": _short(at, zone)}
        for at, touch in sorted(gone, key=lambda pair: pair[0])
    ]


def _as_read(raw: bytes) -> dict[str, str]:
    """Return subject and text of a mail of ours."""
    # the mail library costs a cold start, and few ask
    from email import message_from_bytes, policy  # noqa: PLC0415

    found = message_from_bytes(raw, policy=policy.default)
    body = found.get_body(("plain",))
    return {"subject": str(found["Subject"] or ""), "text": str(body.get_content()) if body is not None else ""}


def acted(fields: Mapping[str, str], calendar: clock.Calendar) -> dict[str, Any]:
    """Return what a form says of an act, as the API takes it: amounts and days as people write them.

    Raises WrongField.
    """
    told: dict[str, Any] = {
        name: fields[name].strip()
        for name in ("act", "text", "currency", "redress", "cause", "improvement")
        if fields.get(name, "").strip()
    }
    if fields.get("amount", "").strip():
        told["amount"] = amount(fields["amount"])
    if "currency" in told:
        told["currency"] = told["currency"].upper()
    if fields.get("due"):
        told["due"] = _end_of_day(fields["due"], calendar).isoformat()
    if fields.get("kept") == "no":
        told["kept"] = False
    return told


def _end_of_day(day: str, calendar: clock.Calendar) -> datetime:
    """A promised day is kept until the end of its working hours."""
    try:
        date = datetime.strptime(day, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone until the next line
    except ValueError as error:
        raise WrongField("due") from error
    return datetime.combine(date, calendar.hours.end, tzinfo=clock.zone(calendar.zone))


def amount(typed: str) -> str:
    """Return an amount as the ledger writes it: ``$25``, ``25,00`` and ``1,250.00`` are amounts too."""
    plain = _SIGNS.sub("", typed)
    found = next((match for form in (_PLAIN, *_GROUPED) if (match := form.fullmatch(plain))), None)
    if found is None:
        raise WrongField("amount")
    return f"{int(re.sub('[.,]', '', found['whole']))}.{found['cents'] or '':0<2}"


def _short(instant: datetime, zone: str) -> str:
    local = instant.astimezone(clock.zone(zone))
    return f"{local:%a} {local.day} {local:%b}, {local:%H:%M}"


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
        "opened": _short(recovery.opened_at, zone),
        "owner": letters.owner_of(recovery, visit.documents).name,
        "status": f"Next: {step.label}" if step else "Closed",
        "due": _short(due, zone) if due else "",
        "promised": _short(promised, zone) if promised else "",
    }


def _customer(visit: pages.Visit) -> dict[str, str]:
    known = visit.person.customer
    return {
        "name": f"{known.first_name} {known.last_name}".strip() if known else "",
        "email_shown": visit.person.email,
        "locale": known.locale if known else "",
        "zone": rendering.customer_zone(visit.person, visit.documents),
    }


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
        {"at": _short(at, zone), "what": what, "score_text": score, "words": words}
        for at, what, score, words in sorted(said, key=lambda one: one[0])
    ]


def _standing(answer: Answer) -> str:
    """Return what an answer is worth, where it is not simply the customer's."""
    if answer.waits:
        return " (perhaps not a person)"
    if answer.judged == "machine":
        return " (no person, it counts for nothing)"
    return " (revision)" if answer.revision else ""


def _doubtful(journey: Journey, zone: str) -> list[dict[str, str]]:
    """Return the suspect answers that wait for a person to say what they are, oldest first."""
    return [
        {
            "id": answer.id,
            "at": _short(answer.at, zone),
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
                "done_at": _short(done.at, zone) if done else None,
                "by": (by.name if by else done.by) if done else None,
                "due": _short(due, zone) if due else None,
                "overdue": done is None and due is not None and due < now,
                "current": step is current,
            }
        )
    return shown


def _field(name: str, label: str, kind: str = "text", **more: Any) -> dict[str, Any]:
    plain = {"options": [], "value": "", "required": False, "hint": None, "error": None}
    return {"name": name, "label": label, "kind": kind, **plain, **more}


_REDRESS = [{"value": "restitution", "label": "Restitution"}, {"value": "goodwill", "label": "Goodwill"}]
_KEPT = [{"value": "yes", "label": "The customer is kept"}, {"value": "no", "label": "The customer is lost"}]
_FIELDS: dict[str, list[dict[str, Any]]] = {
    "take": [],
    "apologise": [
        _field("text", "Your letter", "textarea", hint="Leave it empty if you apologised in person or on the phone.")
    ],
    "propose": [
        _field("text", "What we will do", "textarea", required=True),
        _field("due", "Done by", "date", required=True),
    ],
    "deliver": [
        _field("amount", "Amount", "money", hint="Leave it empty if it is not money."),
        _field("currency", "Currency", value="USD"),
        _field("redress", "What it is", "select", options=_REDRESS, value="restitution"),
    ],
    "thank": [_field("text", "Your words", "textarea", hint="Leave it empty for our usual thanks in your name.")],
    "debrief": [
        _field("cause", "The cause", required=True),
        _field("improvement", "The improvement, or why there is none", "textarea", required=True),
    ],
    "close": [_field("kept", "How it ended", "select", options=_KEPT, value="yes")],
}


def forms(
    visit: Subject, recovery: Recovery | None, typed: Mapping[str, str], wrong: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the form of the step that is next, and of making a better proposal while none is accepted.

    What was typed in a form that was refused stands in it again, even if its step is not the next one any more.
    """
    labels: dict[str, str] = {one.act: one.label for one in visit.documents.playbook.steps}
    return filled_forms(possible(recovery, visit.documents), labels, typed, wrong)


def possible(recovery: Recovery | None, documents: Documents) -> dict[str, tuple[str, str, bool]]:
    """Return what can be done next: the act, with its label, that of its button, and whether it is the main one."""
    shown: dict[str, tuple[str, str, bool]] = {}
    if recovery is not None and recovery.is_open:
        step = playbook.current(recovery, documents)
        if step is not None:
            shown[step.act] = (step.label, step.label, True)
        if recovery.proposal is not None and not recovery.proposal.accepted and recovery.when("deliver") is None:
            shown.setdefault("propose", ("Make a better proposal", "Send the new proposal", False))
    return shown


def filled_forms(
    shown: dict[str, tuple[str, str, bool]],
    labels: Mapping[str, str],
    typed: Mapping[str, str],
    wrong: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return the forms of what can be done; what was typed in one that was refused stands in it again."""
    shown = dict(shown)
    refused = typed.get("act", "")
    if any(field["kind"] != "select" and typed.get(field["name"], "") for field in _FIELDS.get(refused, [])):
        label = labels.get(refused, refused.capitalize())
        shown.setdefault(refused, (label, label, False))
    return [
        {
            "act": act,
            "label": label,
            "hint": None,
            "fields": _filled(_FIELDS[act], typed, wrong) if act == refused else _FIELDS[act],
            "submit_label": submit,
            "primary": primary,
            "open": act == refused,
        }
        for act, (label, submit, primary) in shown.items()
    ]


def _filled(fields: list[dict[str, Any]], typed: Mapping[str, str], wrong: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {**field, "value": typed.get(field["name"], field["value"]), "error": wrong.get(field["name"])}
        for field in fields
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
