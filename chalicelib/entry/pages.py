"""The customer's pages: answer, proposal, opt-out. A GET changes nothing; only a press on the button does."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from secrets import token_hex
from typing import Any, get_args

import msgspec
from chalice import Response

from chalicelib.effects import letters, rendering
from chalicelib.entry import http
from chalicelib.entry.desk import Desk, Unavailable
from chalicelib.journey.documents import SCALES, Documents, Question
from chalicelib.journey.events import AnswerGiven, OptedOut, ProposalAnswered, Scope, Word
from chalicelib.journey.state import Answer, Journey, Person, Recovery, Touch
from chalicelib.links import BadLink, Link, Links, Purpose
from chalicelib.pipeline import Handled, Pipeline

_VIEW = re.compile(r"[0-9a-f]{32}")
_WORDS = 8_000
_CHOICES = {
    "exceeds": "It exceeds what I expected",
    "meets": "It meets what I expected",
    "falls_short": "It falls short",
    "other": "I have another idea",
}
_SCOPES = {
    "asks": ("No more questions or news", "We still answer you, and finish what is open."),
    "everything": ("No mail at all", "Should something be open, a person will reach you another way."),
    "pause": ("A pause of 30 days", "No questions and no news until then."),
}
_DONE = {
    "asks": "You will get no more questions or news from us.",
    "everything": "You will get no more mail from us.",
    "pause": "You will get no questions or news from us for 30 days.",
}


class Visit(msgspec.Struct, frozen=True):
    """A page opened by a good link: what the link says, and what it is about."""

    link: Link
    journey: Journey
    person: Person
    documents: Documents


class Pages:
    """Shows the customer's pages and hands in what they press."""

    def __init__(self, desk: Desk, links: Links, now: Callable[[], datetime]) -> None:
        """Keep its partners."""
        self._desk = desk
        self._links = links
        self._now = now

    # -- answering ---------------------------------------------------------------------------------------

    def show_answer(self, request: Any, token: str) -> Response:
        """Show the questions of a survey or check-in, with the rating of the link marked."""
        visit = self._visit(token, "answer")
        asked = _asked(visit) if visit else None
        if visit is None or asked is None:
            return self._bad_link()
        return self._answer_page(visit, asked, {asked[0].measure: http.query(request, "r")}, token_hex(16))

    def give_answer(self, request: Any, token: str) -> Response:
        """Take an answer: a person pressed the button."""
        visit = self._visit(token, "answer")
        asked = _asked(visit) if visit else None
        if visit is None or asked is None:
            return self._bad_link()
        fields = _fields(request)
        view = _view(fields, token)
        missing = [q for q in asked if q.required and _score(q, fields) is None]
        if missing:
            return self._answer_page(visit, asked, fields, view, missing=missing)
        event = AnswerGiven(
            event_id=f"answer/{view}",
            occurred_at=self._now(),
            journey_id=visit.journey.id,
            answer_id=view,
            touch_id=visit.link.subject,
            scores={q.measure: score for q in asked if (score := _score(q, fields)) is not None},
            words=fields.get("words", "").strip()[:_WORDS],
            call_back=fields.get("call_back") == "yes",
        )
        return self._hand_in(event, visit, fields, lambda handled: _thanks(handled, view))

    def _answer_page(
        self,
        visit: Visit,
        asked: tuple[Question, ...],
        fields: dict[str, str],
        view: str,
        missing: Sequence[Question] = (),
    ) -> Response:
        context = _answering(visit, asked, fields, missing)
        opt_out = self._links.token(Link("opt_out", visit.journey.id, visit.link.subject))
        context |= {"view": view, "opt_out_url": f"../o/{opt_out}"}
        return http.page("answer", visit.documents.settings.brand, context, status=422 if missing else 200)

    # -- the proposal ------------------------------------------------------------------------------------

    def show_proposal(self, request: Any, token: str) -> Response:
        """Show what we propose, with the choice of the link marked."""
        visit = self._visit(token, "proposal")
        if visit is None or _proposed(visit) is None:
            return self._bad_link()
        return _proposal_page(visit, {"choice": http.query(request, "r")}, token_hex(16))

    def answer_proposal(self, request: Any, token: str) -> Response:
        """Take the customer's word on a proposal."""
        visit = self._visit(token, "proposal")
        found = _proposed(visit) if visit else None
        if visit is None or found is None:
            return self._bad_link()
        recovery, number = found
        fields = _fields(request)
        view = _view(fields, token)
        word = fields.get("choice", "")
        if word not in get_args(Word):
            return _proposal_page(visit, fields, view, errors=["Please choose one of the four."])
        event = ProposalAnswered(
            event_id=f"answer/{view}",
            occurred_at=self._now(),
            journey_id=visit.journey.id,
            answer_id=view,
            recovery=recovery.number,
            proposal=number,
            word=word,  # type: ignore[arg-type]  # checked above
            words=fields.get("comment", "").strip()[:_WORDS],
        )
        return self._hand_in(event, visit, fields, lambda handled: _proposal_thanks(handled, word))

    # -- opting out --------------------------------------------------------------------------------------

    def show_opt_out(self, request: Any, token: str) -> Response:
        """Show the choices of opting out; opening the page opts nobody out."""
        del request
        visit = self._visit(token, "opt_out")
        if visit is None:
            return self._bad_link()
        return _opt_out_page(visit, token_hex(16))

    def opt_out(self, request: Any, token: str) -> Response:
        """Opt out: by the button of a mail program (RFC 8058, no page, no cookie) or by ours."""
        visit = self._visit(token, "opt_out")
        if visit is None:
            return self._bad_link()
        fields = _fields(request)
        scope = fields.get("scope", "asks")
        event = OptedOut(
            event_id=f"opted-out/{_view(fields, token)}/{scope}",
            occurred_at=self._now(),
            journey_id=visit.journey.id,
            scope=scope if scope in get_args(Scope) else "asks",  # type: ignore[arg-type]
        )
        done = {"done": True, "done_message": _DONE[event.scope], "scope_options": [], "view": ""}
        brand = visit.documents.settings.brand
        return self._hand_in(event, visit, fields, lambda _: http.page("opt_out", brand, done))

    # -- what they share ---------------------------------------------------------------------------------

    def _visit(self, token: str, purpose: Purpose) -> Visit | None:
        """Return what a link is about, or None for a bad one: all bad links look the same from outside."""
        return visit(token, purpose, self._links, self._desk.pipeline, self._now())

    def _bad_link(self) -> Response:
        settings = self._desk.pipeline.documents.for_journey(Journey(id=""), self._now()).settings
        return http.page("bad_link", settings.brand, {}, status=404)

    def _hand_in(
        self, event: Any, visit: Visit, fields: dict[str, str], show: Callable[[Handled], Response]
    ) -> Response:
        """Commit it, else keep it, else give the customer their words back."""
        brand = visit.documents.settings.brand
        try:
            handled = self._desk.hand_in(event)
        except Unavailable:
            return http.page("sorry", brand, _given_back(fields), status=503)
        if handled is None:
            return http.page("received", brand, {}, status=202)
        return show(handled)


def visit(token: str, purpose: Purpose, links: Links, pipeline: Pipeline, now: datetime) -> Visit | None:
    """Return what a good link is about, or None."""
    try:
        link = links.read(token, purpose, now)
    except BadLink:
        return None
    journey = pipeline.table.journey(link.journey_id).value
    person = pipeline.table.person(journey.person_id).value
    if not person.id:
        return None
    return Visit(link, journey, person, pipeline.documents.for_journey(journey, now))


def _fields(request: Any) -> dict[str, str]:
    """Return the fields of a form; one that no browser of ours sends has none."""
    try:
        return http.form(request)
    except http.BadForm:
        return {}


def _view(fields: dict[str, str], token: str) -> str:
    """Return the name of this view of the page: pressing twice is pressing once."""
    given = fields.get("view", "")
    if _VIEW.fullmatch(given):
        return given
    said = "\x1f".join((token, *(f"{name}={value}" for name, value in sorted(fields.items()))))
    return sha256(said.encode()).hexdigest()[:32]


def _asked(visit: Visit) -> tuple[Question, ...] | None:
    """Return the questions behind a link, by the cadence that the journey pinned."""
    touch = visit.journey.touch(visit.link.subject)
    if touch is None:
        return None
    if touch.kind == "survey":
        return visit.documents.cadence.survey.questions
    step = visit.documents.cadence.step(touch.step)
    return step.ask if step else None


def _score(question: Question, fields: dict[str, str]) -> int | None:
    """Return a rating that is on its scale, or None."""
    low, high = SCALES[question.measure]
    given = fields.get(question.measure, "")
    return int(given) if given.isascii() and given.isdecimal() and low <= int(given[:3]) <= high else None


def _answering(
    visit: Visit, asked: tuple[Question, ...], fields: dict[str, str], missing: Sequence[Question]
) -> dict[str, Any]:
    """Return what the answer page shows: the questions with what was chosen or written so far."""
    touch = visit.journey.touch(visit.link.subject)
    errors = {question.measure: f"Please choose: {question.text}" for question in missing}
    questions = [
        {
            "name": q.measure,
            "text": q.text,
            "kind": rendering.DRAWN_AS[q.measure],
            "options": rendering.options(q, fields.get(q.measure, "")),
            "value": "",
            "required": q.required,
            "hint": None,
            "error": errors.get(q.measure),
        }
        for q in asked
    ]
    questions.append(_open_question(fields))
    if touch is not None and touch.kind == "survey":
        questions.append(_call_back(fields))
    return {
        "first_name": rendering.first_name(visit.person),
        "case": rendering.case(visit.journey),
        "intro": _intro(visit, touch),
        "questions": questions,
        "errors": list(errors.values()),
        "already": any(answer.touch_id == visit.link.subject for answer in visit.journey.answers),
        "closed": False,
        "action": "",
        "submit_label": "Send",
    }


def _intro(visit: Visit, touch: Touch | None) -> str:
    step = visit.documents.cadence.step(touch.step) if touch else None
    return step.opening if step else "It takes under a minute. Nothing is recorded until you press Send."


def _open_question(fields: dict[str, str]) -> dict[str, Any]:
    return {
        "name": "words",
        "text": "What happened, and what did it cost you?",
        "kind": "text",
        "options": [],
        "value": fields.get("words", ""),
        "required": False,
        "hint": "In your own words. You can leave this empty.",
        "error": None,
    }


def _call_back(fields: dict[str, str]) -> dict[str, Any]:
    ticked = fields.get("call_back", "")
    return {
        "name": "call_back",
        "text": "Please call me back",
        "kind": "checkbox",
        "options": [],
        "value": ticked,
        "required": False,
        "hint": None,
        "error": None,
    }


def _thanks(handled: Handled, answer_id: str) -> Response:
    """Thank; after a bad answer name who will be in touch and by when."""
    journey, documents = handled.journey, handled.documents
    answer = next((one for one in journey.answers if one.id == answer_id), None) if journey else None
    context: dict[str, Any] = {
        "first_name": rendering.first_name(handled.person) if handled.person else None,
        "negative": False,
        "owner": None,
        "next_contact_by": None,
        "message": "",
    }
    if journey is not None and answer is not None and answer.negative and handled.person is not None:
        context |= _who_and_when(journey, answer, handled.person, documents)
    return http.page("thanks", documents.settings.brand, context)


def _who_and_when(journey: Journey, answer: Answer, person: Person, documents: Documents) -> dict[str, Any]:
    recovery = next((one for one in journey.recoveries if one.number == answer.recovery), None)
    if recovery is None:
        return {"negative": True}
    owner = letters.owner_of(recovery, documents)
    by = letters.next_contact(recovery, person, documents)
    return {"negative": True, "owner": rendering.staff(owner), "next_contact_by": by}


def _proposed(visit: Visit) -> tuple[Recovery, int] | None:
    """Return the recovery and the number of the proposal that a link names."""
    recovery_number, _, number = visit.link.subject.partition(".")
    for recovery in visit.journey.recoveries:
        if str(recovery.number) == recovery_number and number in {str(one.number) for one in recovery.proposals}:
            return recovery, int(number)
    return None


def _proposal_page(visit: Visit, fields: dict[str, str], view: str, errors: list[str] | None = None) -> Response:
    found = _proposed(visit)
    if found is None:
        raise BadLink
    recovery, number = found
    proposal = recovery.proposals[number - 1]
    zone = rendering.customer_zone(visit.person, visit.documents)
    chosen = fields.get("choice", "")
    by = visit.documents.staff.member(proposal.by) or letters.owner_of(recovery, visit.documents)
    context = {
        "case": rendering.case(visit.journey),
        "owner": rendering.staff(by),
        "action_text": proposal.action,
        "promised_by": rendering.day(proposal.due_at, zone),
        "note": "",
        "options": [{"value": word, "label": text, "selected": word == chosen} for word, text in _CHOICES.items()],
        "comment_value": fields.get("comment", ""),
        "errors": errors or [],
        "view": view,
        "closed_message": None,
    }
    return http.page("proposal", visit.documents.settings.brand, context, status=422 if errors else 200)


def _proposal_thanks(handled: Handled, word: str) -> Response:
    accepted = word in {"exceeds", "meets"}
    message = "We now carry it out." if accepted else "Your answer goes to the person who looks after this, now."
    context = {
        "first_name": rendering.first_name(handled.person) if handled.person else None,
        "negative": False,
        "owner": None,
        "next_contact_by": None,
        "message": message,
    }
    return http.page("thanks", handled.documents.settings.brand, context)


def _opt_out_page(visit: Visit, view: str) -> Response:
    scopes = [
        {"value": value, "label": label, "hint": hint, "selected": value == "asks"}
        for value, (label, hint) in _SCOPES.items()
    ]
    context = {"scope_options": scopes, "view": view, "done": False, "done_message": ""}
    return http.page("opt_out", visit.documents.settings.brand, context)


def _given_back(fields: dict[str, str]) -> dict[str, Any]:
    """Show the customer what they wrote, and carry it in the form, so that no word is lost."""
    shown = [{"label": name.replace("_", " ").capitalize(), "value": fields[name]} for name in fields if name != "view"]
    hidden = [{"name": name, "value": value} for name, value in fields.items() if name != "view"]
    return {"fields": shown, "hidden": hidden, "view": fields.get("view", ""), "action": ""}
