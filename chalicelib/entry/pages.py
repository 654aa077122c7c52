"""The customer's pages: answer, proposal, opt-out. A GET changes nothing; only a press on the button does."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_hex
from typing import Any, get_args

import msgspec
from chalice import Response

from chalicelib.effects import letters, rendering, words
from chalicelib.effects.words import N_, Words
from chalicelib.entry import http
from chalicelib.entry.desk import OUTSIDE, Desk, Unavailable
from chalicelib.journey import clock
from chalicelib.journey.documents import LANGUAGES, SCALES, Brand, Documents, Question, Settings
from chalicelib.journey.events import AnswerGiven, Event, OptedOut, ProposalAnswered, Scope, Word
from chalicelib.journey.state import Answer, Journey, Person, Recovery, Touch
from chalicelib.links import BadLink, Link, Links, Purpose
from chalicelib.pipeline import Handled, Pipeline

_VIEW = re.compile(r"[0-9a-f]{32}")
_RATING = re.compile(r"[0-9]{1,2}")
_WORDS = 8_000
_TOO_LONG = N_(
    "This is longer than the 8,000 characters that we can take at once. Please send the rest in a reply to our mail."
)
_A_PERSON_READS = N_("A person reads what you wrote, and will be in touch with you.")
#: What a customer reads of the fields that they filled in.
_FIELDS = {
    "words": N_("Your words"),
    "comment": N_("Your words"),
    "call_back": N_("Please call me back"),
    "choice": N_("Your view"),
    "scope": N_("What we may send you"),
    **dict.fromkeys(SCALES, N_("Your rating")),
}
#: What a form carries besides what somebody filled in.
_CARRIED = {"view", "lang", "language"}


class Visit(msgspec.Struct, frozen=True):
    """A page opened by a good link: what the link says, and what it is about."""

    link: Link
    journey: Journey
    person: Person
    documents: Documents
    said: Words

    @property
    def brand(self) -> Brand:
        """Return the brand that this customer knows us by."""
        return rendering.brand_of(self.journey, self.documents)


class Pages:
    """Shows the customer's pages and hands in what they press."""

    def __init__(self, desk: Desk, links: Links, now: Callable[[], datetime]) -> None:
        """Keep its partners."""
        self._desk = desk
        self._links = links
        self._now = now
        self._brand = LastBrand(desk.pipeline)

    # -- answering ---------------------------------------------------------------------------------------

    def show_answer(self, request: Any, token: str) -> Response:
        """Show the questions of a survey or check-in, with the rating of the link marked."""

        def show(visit: Visit) -> Response | None:
            asked = _asked(visit)
            marked: dict[str, str] = {asked[0].measure: http.query(request, "r")} if asked else {}
            return self._answer_page(visit, asked, marked, token_hex(16)) if asked else None

        return self._open(request, {}, token, "answer", show)

    def give_answer(self, request: Any, token: str) -> Response:
        """Take an answer: a person pressed the button."""
        fields = _fields(request)
        view = _view(fields, token)

        def take(visit: Visit) -> Response | None:
            asked = _asked(visit)
            if asked is None:
                return None
            if _only_switches(fields):
                return self._answer_page(visit, asked, fields, view)
            missing = [question for question in asked if question.required and _score(question.measure, fields) is None]
            if missing or _too_long(fields, "words"):
                return self._answer_page(visit, asked, fields, view, missing=missing)
            event = self._answer(visit.link, fields, view, [question.measure for question in asked])
            return self._hand_in(event, fields, visit.said, lambda handled: _thanks(handled, event.answer_id, visit))

        def keep(link: Link) -> Event | None:
            """Nobody can say now what was asked: what stands on a scale is kept, and weighed by the worker."""
            event = self._answer(link, fields, view, SCALES)
            return event if event.scores and not _too_long(fields, "words") else None

        return self._open(request, fields, token, "answer", take, keep)

    def _answer(self, link: Link, fields: dict[str, str], view: str, measures: Iterable[str]) -> AnswerGiven:
        call_back = fields.get("call_back") == "yes"
        rated = (f"{measure}={_score(measure, fields)}" for measure in SCALES)
        name = _identity(view, *rated, _written(fields, "words"), str(call_back))
        return AnswerGiven(
            event_id=f"answer/{name}",
            occurred_at=self._now(),
            journey_id=link.journey_id,
            answer_id=name,
            touch_id=link.subject,
            scores={measure: score for measure in measures if (score := _score(measure, fields)) is not None},
            words=_written(fields, "words"),
            call_back=call_back,
        )

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
        status = 422 if context["errors"] else 200
        return http.page("answer", visit.brand, context, status, visit.said)

    # -- the proposal ------------------------------------------------------------------------------------

    def show_proposal(self, request: Any, token: str) -> Response:
        """Show what we propose, with the choice of the link marked."""

        def show(visit: Visit) -> Response | None:
            found = _proposed(visit)
            return _proposal_page(visit, found, {"choice": http.query(request, "r")}, token_hex(16)) if found else None

        return self._open(request, {}, token, "proposal", show)

    def answer_proposal(self, request: Any, token: str) -> Response:
        """Take the customer's word on a proposal."""
        fields = _fields(request)
        view = _view(fields, token)
        word = fields.get("choice", "")

        def take(visit: Visit) -> Response | None:
            found = _proposed(visit)
            if found is None:
                return None
            if _only_switches(fields):
                return _proposal_page(visit, found, fields, view)
            if word not in get_args(Word):
                error = visit.said.text("Please choose one of the four.")
                return _proposal_page(visit, found, fields, view, error=error)
            if _too_long(fields, "comment"):
                return _proposal_page(visit, found, fields, view)
            event = self._word(visit.link, fields, view)
            return self._hand_in(event, fields, visit.said, lambda handled: _proposal_thanks(handled, event, visit))

        def keep(link: Link) -> Event | None:
            sound = word in get_args(Word) and not _too_long(fields, "comment")
            return self._word(link, fields, view) if sound else None

        return self._open(request, fields, token, "proposal", take, keep)

    def _word(self, link: Link, fields: dict[str, str], view: str) -> ProposalAnswered:
        recovery, _, number = link.subject.partition(".")
        name = _identity(view, fields["choice"], _written(fields, "comment"))
        return ProposalAnswered(
            event_id=f"answer/{name}",
            occurred_at=self._now(),
            journey_id=link.journey_id,
            answer_id=name,
            recovery=int(recovery),
            proposal=int(number),
            word=fields["choice"],  # type: ignore[arg-type]  # the caller has looked
            words=_written(fields, "comment"),
        )

    # -- opting out --------------------------------------------------------------------------------------

    def show_opt_out(self, request: Any, token: str) -> Response:
        """Show the choices of opting out; opening the page opts nobody out."""
        return self._open(request, {}, token, "opt_out", lambda visit: _opt_out_page(visit, "asks", token_hex(16)))

    def opt_out(self, request: Any, token: str) -> Response:
        """Opt out: by the button of a mail program (RFC 8058, no page, no cookie) or by ours."""
        fields = _fields(request)
        scope: Scope = fields["scope"] if fields.get("scope") in get_args(Scope) else "asks"  # type: ignore[assignment]

        def event(link: Link) -> OptedOut:
            name = f"opted-out/{_view(fields, token)}/{scope}"
            return OptedOut(event_id=name, occurred_at=self._now(), journey_id=link.journey_id, scope=scope)

        def take(visit: Visit) -> Response:
            if _only_switches(fields):
                return _opt_out_page(visit, scope, _view(fields, token))
            brand = visit.brand

            def done(handled: Handled) -> Response:
                message = _done(_held(handled.person or visit.person, scope), visit)
                context = {"done": True, "done_message": message, "scope_options": [], "view": ""}
                return http.page("opt_out", brand, context, said=visit.said)

            return self._hand_in(event(visit.link), fields, visit.said, done)

        return self._open(request, fields, token, "opt_out", take, event)

    # -- what they share ---------------------------------------------------------------------------------

    def _open(
        self,
        request: Any,
        fields: dict[str, str],
        token: str,
        purpose: Purpose,
        show: Callable[[Visit], Response | None],
        keep: Callable[[Link], Event | None] = lambda _: None,
    ) -> Response:
        """Go on with what a link is about; while the table cannot be read, keep what the form says, else give it back.

        All bad links look the same from outside, those to what is not there included: whose they might be, and in
        which language they read, is not looked up.
        """
        chosen = _chosen(fields)
        said = words.words(chosen or words.accepted(str(request.headers.get("accept-language", ""))))
        try:
            link = self._links.read(token, purpose, self._now())
        except BadLink:
            return self._bad_link(said)
        try:
            visit = visited(link, self._desk.pipeline, self._now(), chosen)
        except OUTSIDE:
            event = None if _only_switches(fields) else keep(link)
            return self._sorry(fields, said) if event is None else self._keep(event, fields, said)
        shown = show(visit) if visit else None
        return self._bad_link(said) if shown is None else shown

    def _bad_link(self, said: Words) -> Response:
        return http.page("bad_link", self._brand(self._now()), {}, 404, said)

    def _hand_in(
        self, event: Event, fields: dict[str, str], said: Words, show: Callable[[Handled], Response]
    ) -> Response:
        """Commit it, else keep it, else give the customer their words back."""
        try:
            handled = self._desk.hand_in(event)
        except Unavailable:
            return self._sorry(fields, said)
        return self._received(said) if handled is None else show(handled)

    def _keep(self, event: Event, fields: dict[str, str], said: Words) -> Response:
        try:
            self._desk.keep(event)
        except Unavailable:
            return self._sorry(fields, said)
        return self._received(said)

    def _received(self, said: Words) -> Response:
        return http.page("received", self._brand(self._now()), {}, 202, said)

    def _sorry(self, fields: dict[str, str], said: Words) -> Response:
        return http.page("sorry", self._brand(self._now()), given_back(fields, said), 503, said)


class LastBrand:
    """How the company looks, or looked when that could last be read, or as it ships."""

    def __init__(self, pipeline: Pipeline) -> None:
        """Keep where to read it."""
        self._documents = pipeline.documents
        self._last: Brand | None = None

    def __call__(self, now: datetime) -> Brand:
        """Return the brand that a page shows now, whatever can be read."""
        try:
            self._last = self._read(self._documents.active("settings", now))
        except OUTSIDE:
            self._last = self._last or self._read(0)
        return self._last

    def _read(self, version: int) -> Brand:
        settings = self._documents.version("settings", version)
        assert isinstance(settings, Settings)  # noqa: S101 - the document of that kind
        return settings.brand


def visited(link: Link, pipeline: Pipeline, now: datetime, language: str = "") -> Visit | None:
    """Return what a good link is about, in the language that was chosen or the customer's; None if it is not there."""
    journey = pipeline.table.journey(link.journey_id).value
    person = pipeline.table.person(journey.person_id).value
    if not person.id:
        return None
    documents = pipeline.documents.for_journey(journey, now)
    return Visit(link, journey, person, documents, words.of_customer(person, documents.settings, language))


def _fields(request: Any) -> dict[str, str]:
    """Return the fields of a form; one that no browser of ours sends has none."""
    try:
        return http.form(request)
    except http.BadForm:
        return {}


def _only_switches(fields: dict[str, str]) -> bool:
    """Say whether the form was sent to see it in another language: that answers nothing."""
    return fields.get("language") in LANGUAGES


def _chosen(fields: dict[str, str]) -> str:
    """Return the language that somebody chose, now or before on this form, or an empty text."""
    return next((fields[name] for name in ("language", "lang") if fields.get(name) in LANGUAGES), "")


def _view(fields: dict[str, str], token: str) -> str:
    """Return the name of this view of the page: pressing twice is pressing once."""
    given = fields.get("view", "")
    if _VIEW.fullmatch(given):
        return given
    said = "\x1f".join((token, *(f"{name}={value}" for name, value in sorted(fields.items()))))
    return sha256(said.encode()).hexdigest()[:32]


def _identity(view: str, *said: str) -> str:
    """Name what was said on one view of a page: said again it is the same fact, changed it is another."""
    return sha256("\x1f".join((view, *said)).encode()).hexdigest()[:32]


def _written(fields: dict[str, str], name: str) -> str:
    """Return what somebody wrote in a field; browsers count a line break as one character and send it as two."""
    return fields.get(name, "").replace("\r\n", "\n").strip()


def _too_long(fields: dict[str, str], name: str) -> bool:
    return len(_written(fields, name)) > _WORDS


def _held(person: Person, scope: Scope) -> Scope:
    """Return what holds after opting out: asking for less does not undo what was asked for before."""
    if person.no_mail_since is not None:
        return "everything"
    return "asks" if person.no_asks_since is not None else scope


def _asked(visit: Visit) -> tuple[Question, ...] | None:
    """Return the questions behind a link, by the cadence that the journey pinned."""
    touch = visit.journey.touch(visit.link.subject)
    if touch is None:
        return None
    if touch.kind == "survey":
        return visit.documents.cadence.survey.questions
    step = visit.documents.cadence.step(touch.step)
    return step.ask if step else None


def _score(measure: str, fields: dict[str, str]) -> int | None:
    """Return a rating that is on its scale, or None."""
    low, high = SCALES[measure]
    given = fields.get(measure, "")
    return int(given) if _RATING.fullmatch(given) and low <= int(given) <= high else None


def _answering(
    visit: Visit, asked: tuple[Question, ...], fields: dict[str, str], missing: Sequence[Question]
) -> dict[str, Any]:
    """Return what the answer page shows: the questions with what was chosen or written so far."""
    touch = visit.journey.touch(visit.link.subject)
    said = visit.said
    errors: dict[str, str] = {
        question.measure: said.text("Please choose: %(question)s", question=said.said(question.text))
        for question in missing
    }
    if _too_long(fields, "words"):
        errors["words"] = said.text(_TOO_LONG)
    questions = [
        {
            "name": q.measure,
            "text": said.said(q.text),
            "kind": rendering.DRAWN_AS[q.measure],
            "options": rendering.options(q, fields.get(q.measure, ""), said=said),
            "value": "",
            "required": q.required,
            "hint": None,
            "error": errors.get(q.measure),
        }
        for q in asked
    ]
    questions.append(_open_question(fields, errors.get("words"), said))
    if touch is not None and touch.kind == "survey":
        questions.append(_call_back(fields, said))
    return {
        "first_name": rendering.first_name(visit.person),
        "case": rendering.case(visit.journey),
        "intro": _intro(visit, touch),
        "questions": questions,
        "errors": list(errors.values()),
        "already": any(answer.touch_id == visit.link.subject for answer in visit.journey.answers),
        "closed": False,
        "action": "",
        "submit_label": said.text("Send"),
    }


def _intro(visit: Visit, touch: Touch | None) -> str:
    step = visit.documents.cadence.step(touch.step) if touch else None
    if step is not None:
        return visit.said.said(step.opening)
    return visit.said.text("It takes under a minute. Nothing is recorded until you press Send.")


def _open_question(fields: dict[str, str], error: str | None, said: Words) -> dict[str, Any]:
    return {
        "name": "words",
        "text": said.text("What would you like to tell us?"),
        "kind": "text",
        "options": [],
        "value": fields.get("words", ""),
        "required": False,
        "hint": said.text(
            "If something went wrong: what happened, and what did it cost you? You can leave this empty."
        ),
        "error": error,
    }


def _call_back(fields: dict[str, str], said: Words) -> dict[str, Any]:
    ticked = fields.get("call_back", "")
    return {
        "name": "call_back",
        "text": said.text("Please call me back"),
        "kind": "checkbox",
        "options": [],
        "value": ticked,
        "required": False,
        "hint": None,
        "error": None,
    }


def _thanks(handled: Handled, answer_id: str, visit: Visit) -> Response:
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
        context |= _who_and_when(journey, answer, handled.person, documents, visit.said)
    return http.page("thanks", visit.brand, context, said=visit.said)


def _who_and_when(
    journey: Journey, answer: Answer, person: Person, documents: Documents, said: Words
) -> dict[str, Any]:
    recovery = next((one for one in journey.recoveries if one.number == answer.recovery), None)
    if recovery is None:
        return {"negative": True}
    owner = letters.owner_of(recovery, documents)
    by = letters.next_contact(recovery, person, documents, said)
    return {"negative": True, "owner": rendering.staff(owner, said), "next_contact_by": by}


def _proposed(visit: Visit) -> tuple[Recovery, int] | None:
    """Return the recovery and the number of the proposal that a link names."""
    recovery_number, _, number = visit.link.subject.partition(".")
    for recovery in visit.journey.recoveries:
        if str(recovery.number) == recovery_number and number in {str(one.number) for one in recovery.proposals}:
            return recovery, int(number)
    return None


def _proposal_page(
    visit: Visit,
    proposed: tuple[Recovery, int],
    fields: dict[str, str],
    view: str,
    error: str | None = None,
) -> Response:
    recovery, number = proposed
    said = visit.said
    comment_error = said.text(_TOO_LONG) if _too_long(fields, "comment") else None
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
    }
    return http.page("proposal", visit.brand, context, 422 if errors else 200, said)


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


def _proposal_thanks(handled: Handled, event: ProposalAnswered, visit: Visit) -> Response:
    """Thank, and say what comes of it: by what holds now, not by what the form said."""
    recoveries = handled.journey.recoveries if handled.journey else ()
    recovery = next((one for one in recoveries if one.number == event.recovery and one.is_open), None)
    proposal = recovery.proposal if recovery else None
    message = _A_PERSON_READS
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


def _opt_out_page(visit: Visit, chosen: Scope, view: str) -> Response:
    scopes = [
        {"value": value, "label": label, "hint": hint, "selected": value == chosen}
        for value, (label, hint) in _scopes(visit.said, visit.documents.settings).items()
    ]
    context = {"scope_options": scopes, "view": view, "done": False, "done_message": ""}
    return http.page("opt_out", visit.brand, context, said=visit.said)


def _scopes(said: Words, settings: Settings) -> dict[Scope, tuple[str, str]]:
    """Return the choices of opting out, each with what it means."""
    days = _pause(settings)
    return {
        "asks": (said.text("No more questions or news"), said.text("We still answer you, and finish what is open.")),
        "everything": (
            said.text("No mail at all"),
            said.text("Should something be open, a person will reach you another way."),
        ),
        "pause": (
            said.plural("A pause of %(num)s day", "A pause of %(num)s days", days),
            said.text("No questions and no news until then."),
        ),
    }


def _done(held: Scope, visit: Visit) -> str:
    """Return what holds from now on."""
    said = visit.said
    if held == "asks":
        return said.text("You will get no more questions or news from us.")
    if held == "everything":
        return said.text("You will get no more mail from us.")
    return said.plural(
        "You will get no questions or news from us for %(num)s day.",
        "You will get no questions or news from us for %(num)s days.",
        _pause(visit.documents.settings),
    )


def _pause(settings: Settings) -> int:
    """Return how many days a pause has, begun ones included."""
    return -(-clock.elapsed(settings.pause) // timedelta(days=1))


def given_back(fields: dict[str, str], said: Words) -> dict[str, Any]:
    """Show what somebody wrote, and carry it in the form, so that no word is lost."""
    shown = [
        {"label": said.text(_FIELDS[name]) if name in _FIELDS else name.replace("_", " ").capitalize(), "value": value}
        for name, value in fields.items()
        if value and name not in _CARRIED
    ]
    hidden = [{"name": name, "value": value} for name, value in fields.items() if name not in _CARRIED]
    return {"fields": shown, "hidden": hidden, "view": fields.get("view", ""), "action": ""}
