"""The customer's pages: answer, proposal, opt-out. A GET changes nothing; only a press on the button does."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_hex
from typing import Any, Literal, get_args

import msgspec
from chalice import Response

from chalicelib.effects import letters, rendering, words
from chalicelib.effects.words import N_, Words
from chalicelib.entry import http, press
from chalicelib.entry.answer_form import TOO_LONG, AnswerForm, rated, score, too_long, written
from chalicelib.entry.desk import OUTSIDE, Desk, Unavailable
from chalicelib.journey import answers, clock
from chalicelib.journey.documents import LANGUAGES, SCALES, Brand, Documents, Settings, Trust
from chalicelib.journey.events import AnswerGiven, Event, Evidence, OptedOut, ProposalAnswered, Scope, Word
from chalicelib.journey.state import Answer, Journey, Person, Recovery
from chalicelib.links import BadLink, Link, Links, Purpose, Shown
from chalicelib.pipeline import Handled, Pipeline
from chalicelib.store.decoys import Decoys

_CALL_BACK_NOTED = N_("You asked to be called back: that is noted.")
_A_PERSON_READS = N_("A person reads what you wrote, and will be in touch with you.")
#: What a customer reads of the fields that they filled in.
_FIELDS = {
    "words": N_("Your words"),
    "comment": N_("Your words"),
    "call_back": N_("Please call me back"),
    "wrong": N_("Something is still wrong. Please put it right."),
    "choice": N_("Your view"),
    "scope": N_("What we may send you"),
    **dict.fromkeys(SCALES, N_("Your rating")),
}
_YES = N_("Yes")
_SCOPES = {"asks": N_("No more questions or news"), "everything": N_("No mail at all")}
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

    def form(self, shown_at: datetime) -> AnswerForm | None:
        """Return what a page that was shown then asks, or None when the link asks nothing."""
        return AnswerForm.of(self.journey, self.person, self.documents, self.link.subject, shown_at, self.said)


class Pages:
    """Shows the customer's pages and hands in what they press."""

    def __init__(self, desk: Desk, links: Links, decoys: Decoys, now: Callable[[], datetime]) -> None:
        """Keep its partners."""
        self._desk = desk
        self._links = links
        self._decoys = decoys
        self._now = now
        self._brand = LastBrand(desk.pipeline)

    # -- answering ---------------------------------------------------------------------------------------

    def show_answer(self, request: Any, token: str) -> Response:
        """Show the questions of a survey or check-in, with the rating of the link marked."""

        def show(visit: Visit) -> Response | None:
            form = visit.form(self._now())
            if form is None:
                return None
            marked: dict[str, str] = {form.asked[0].measure: http.query(request, "r")}
            return self._answer_page(visit, form, marked, self._fresh(visit.link))

        return self._show(request, token, "answer", show)

    def give_answer(self, request: Any, token: str) -> Response:
        """Take an answer: a person pressed the button."""
        fields = _fields(request)

        def take(visit: Visit) -> Response | None:
            shown = self._pressed(request, visit.link, fields, visit.documents.settings.trust)
            form = visit.form(shown.at if shown else self._now())
            if form is None:
                return None
            if _only_switches(fields):
                return self._answer_page(visit, form, fields, self._same(visit.link, fields, shown))
            event = self._answer(request, visit.link, fields, shown, form) if shown else None
            if event is None:
                return self._answer_page(visit, form, fields, self._fresh(visit.link), again=True)
            faults = form.faults(fields)
            if faults:
                return self._answer_page(visit, form, fields, fields["view"], faults=faults)
            return self._hand_in(event, fields, visit.said, lambda handled: _thanks(handled, event.answer_id, visit))

        def keep(link: Link, shown: Shown | None) -> Event | None:
            """Nobody can say now what was asked: what stands on a scale is kept, and weighed by the worker."""
            event = self._answer(request, link, fields, shown, None) if shown else None
            return event if event and event.scores and not too_long(fields, "words") else None

        return self._open(request, fields, token, "answer", take, keep)

    def _answer(
        self, request: Any, link: Link, fields: dict[str, str], shown: Shown, form: AnswerForm | None
    ) -> AnswerGiven:
        """Return the fact that somebody answered, with what was seen of it. The same on the same view is the same."""
        call_back = fields.get("call_back") == "yes"
        wrong = fields.get("wrong") == "yes"
        ratings = (f"{measure}={score(measure, fields)}" for measure in SCALES)
        name = _identity(shown.name, *ratings, written(fields, "words"), str(call_back), *(["wrong"] if wrong else []))
        return AnswerGiven(
            event_id=f"answer/{name}",
            occurred_at=self._now(),
            journey_id=link.journey_id,
            answer_id=name,
            touch_id=link.subject,
            scores=form.scores(fields) if form else rated(SCALES, fields),
            words=written(fields, "words"),
            call_back=call_back,
            evidence=self._evidence(request, link, shown),
        )

    def _evidence(self, request: Any, link: Link, shown: Shown) -> Evidence:
        """Return what was seen of a press. Of decoys nothing is known while the table cannot be read."""
        who = press.client(request, self._links)
        seen = Evidence(shown_at=shown.at, client=who)
        try:
            anybody = self._decoys.last_opened(link.journey_id, link.subject)
            mine = self._decoys.last_opened(link.journey_id, link.subject, who) if anybody and who else None
        except OUTSIDE:
            return seen
        return msgspec.structs.replace(seen, decoy_at=anybody, decoy_same_at=mine)

    def _answer_page(
        self,
        visit: Visit,
        form: AnswerForm,
        fields: dict[str, str],
        view: str,
        *,
        faults: Mapping[str, str] | None = None,
        again: bool = False,
    ) -> Response:
        context = form.context(fields, faults or {})
        opt_out = self._links.token(Link("opt_out", visit.journey.id, visit.link.subject))
        decoy = self._links.token(Link("decoy", visit.journey.id, visit.link.subject))
        context |= {"view": view, "opt_out_url": f"../o/{opt_out}", "decoy_url": f"../d/{decoy}", "again": again}
        status = 422 if faults or again else 200
        return http.page("answer", visit.brand, context, status, visit.said)

    # -- the decoy ---------------------------------------------------------------------------------------

    def decoy(self, request: Any, token: str) -> Response:
        """Show a harmless page to what opens a link that no person can see; leave a note of it that expires."""
        if press.is_prefetch(request):
            return http.not_beforehand()
        said = _speaks(request)
        try:
            link = self._links.read(token, "decoy", self._now())
        except BadLink:
            return self._bad_link(said)
        with suppress(*OUTSIDE):  # it is evidence and no more
            self._decoys.opened(link.journey_id, link.subject, press.client(request, self._links), self._now())
        return http.page("decoy", self._brand(self._now()), {}, said=said)

    # -- the proposal ------------------------------------------------------------------------------------

    def show_proposal(self, request: Any, token: str) -> Response:
        """Show what we propose, with the choice of the link marked."""

        def show(visit: Visit) -> Response | None:
            found = _proposed(visit)
            marked = {"choice": http.query(request, "r")}
            return _proposal_page(visit, found, marked, self._fresh(visit.link)) if found else None

        return self._show(request, token, "proposal", show)

    def answer_proposal(self, request: Any, token: str) -> Response:
        """Take the customer's word on a proposal."""
        fields = _fields(request)
        word = fields.get("choice", "")

        def take(visit: Visit) -> Response | None:
            found = _proposed(visit)
            if found is None:
                return None
            shown = self._pressed(request, visit.link, fields, visit.documents.settings.trust)
            if shown is None or _only_switches(fields):
                view = self._same(visit.link, fields, shown)
                return _proposal_page(visit, found, fields, view, again=not _only_switches(fields))
            if word not in get_args(Word):
                error = visit.said.text("Please choose one of the four.")
                return _proposal_page(visit, found, fields, fields["view"], error=error)
            if too_long(fields, "comment"):
                return _proposal_page(visit, found, fields, fields["view"])
            event = self._word(visit.link, fields, shown)
            return self._hand_in(event, fields, visit.said, lambda handled: _proposal_thanks(handled, event, visit))

        def keep(link: Link, shown: Shown | None) -> Event | None:
            sound = shown and word in get_args(Word) and not too_long(fields, "comment")
            return self._word(link, fields, shown) if shown and sound else None

        return self._open(request, fields, token, "proposal", take, keep)

    def _word(self, link: Link, fields: dict[str, str], shown: Shown) -> ProposalAnswered:
        recovery, _, number = link.subject.partition(".")
        name = _identity(shown.name, fields["choice"], written(fields, "comment"))
        return ProposalAnswered(
            event_id=f"answer/{name}",
            occurred_at=self._now(),
            journey_id=link.journey_id,
            answer_id=name,
            recovery=int(recovery),
            proposal=int(number),
            word=fields["choice"],  # type: ignore[arg-type]  # the caller has looked
            words=written(fields, "comment"),
        )

    # -- opting out --------------------------------------------------------------------------------------

    def show_opt_out(self, request: Any, token: str) -> Response:
        """Show the choices of opting out; opening the page opts nobody out."""
        return self._show(
            request, token, "opt_out", lambda visit: _opt_out_page(visit, "", self._fresh(visit.link), self._now())
        )

    def opt_out(self, request: Any, token: str) -> Response:
        """Opt out: by the button of a mail program (RFC 8058, no page, no cookie) or by ours.

        A mail program saw no page of ours, so its form has none of our fields; one that has was on our page.
        """
        fields = _fields(request)
        ours = "scope" in fields or "view" in fields
        scope: Scope = fields["scope"] if fields.get("scope") in get_args(Scope) else "asks"  # type: ignore[assignment]

        def event(link: Link, shown: Shown | None) -> OptedOut:
            name = f"opted-out/{shown.name if shown else _said(fields, token)}/{scope}"
            return OptedOut(event_id=name, occurred_at=self._now(), journey_id=link.journey_id, scope=scope)

        def take(visit: Visit) -> Response:
            shown = self._pressed(request, visit.link, fields, visit.documents.settings.trust)
            if _only_switches(fields) or (ours and shown is None):
                view = self._same(visit.link, fields, shown)
                return _opt_out_page(visit, scope, view, self._now(), again=not _only_switches(fields))

            def done(handled: Handled) -> Response:
                held = _holding(handled.person or visit.person, self._now()) or scope
                message = _done(held, visit, _pause(visit.documents.settings))
                context = {"done": True, "done_message": message, "scope_options": [], "view": "", "again": False}
                return http.page("opt_out", visit.brand, context, said=visit.said)

            return self._hand_in(event(visit.link, shown), fields, visit.said, done)

        def keep(link: Link, shown: Shown | None) -> Event | None:
            return event(link, shown) if shown or not ours else None

        return self._open(request, fields, token, "opt_out", take, keep)

    # -- what they share ---------------------------------------------------------------------------------

    def _fresh(self, link: Link) -> str:
        """Return the note of a view that begins now."""
        return self._links.view(link, self._now(), token_hex(16))

    def _same(self, link: Link, fields: dict[str, str], shown: Shown | None) -> str:
        """Return the note of the view that a form came from, or of a new one where that is worth nothing."""
        return fields["view"] if shown else self._fresh(link)

    def _pressed(self, request: Any, link: Link, fields: dict[str, str], rules: Trust) -> Shown | None:
        return press.pressed(request, self._links, link, fields.get("view", ""), self._now(), rules)

    def _show(self, request: Any, token: str, purpose: Purpose, show: Callable[[Visit], Response | None]) -> Response:
        """Show a page to somebody who wants it now."""
        return http.not_beforehand() if press.is_prefetch(request) else self._open(request, {}, token, purpose, show)

    def _open(
        self,
        request: Any,
        fields: dict[str, str],
        token: str,
        purpose: Purpose,
        show: Callable[[Visit], Response | None],
        keep: Callable[[Link, Shown | None], Event | None] = lambda _, __: None,
    ) -> Response:
        """Go on with what a link is about; while the table cannot be read, keep what the form says, else give it back.

        All bad links look the same from outside, those to what is not there included: whose they might be, and in
        which language they read, is not looked up.
        """
        chosen = _chosen(fields)
        said = words.words(chosen) if chosen else _speaks(request)
        try:
            link = self._links.read(token, purpose, self._now())
        except BadLink:
            return self._bad_link(said)
        try:
            visit = visited(link, self._desk.pipeline, self._now(), chosen)
        except OUTSIDE:
            pressed = self._pressed(request, link, fields, Trust())
            event = None if _only_switches(fields) else keep(link, pressed)
            if event is None:
                return self._sorry(fields | {"view": self._same(link, fields, pressed)}, said)
            return self._keep(event, fields, said)
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


def _speaks(request: Any) -> Words:
    """Return the words of the language that a browser asks for."""
    return words.words(words.accepted(str(request.headers.get("accept-language", ""))))


def _said(fields: dict[str, str], token: str) -> str:
    """Name a form without a page by its words: sent twice it is sent once."""
    said = "\x1f".join((token, *(f"{name}={value}" for name, value in sorted(fields.items()))))
    return sha256(said.encode()).hexdigest()[:32]


def _identity(view: str, *said: str) -> str:
    """Name what was said on one view of a page: said again it is the same fact, changed it is another."""
    return sha256("\x1f".join((view, *said)).encode()).hexdigest()[:32]


def _holding(person: Person, now: datetime) -> Scope | None:
    """Return what somebody has opted out of: asking for less does not undo what was asked for before."""
    if person.no_mail_since is not None:
        return "everything"
    if person.no_asks_since is not None:
        return "asks"
    return "pause" if person.paused_until is not None and person.paused_until > now else None


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
        "wrote": answer is not None and bool(answer.words),
    }
    if journey is not None and answer is not None and answer.negative and handled.person is not None:
        context |= _who_and_when(journey, answer, handled.person, documents, visit.said)
        context["message"] = visit.said.text(_CALL_BACK_NOTED) if answer.call_back else ""
    elif answer is not None and answer.call_back and not answer.words:
        context["message"] = visit.said.text(_CALL_BACK_NOTED)
    elif answer is not None and (answer.call_back or not answer.scores):
        context["message"] = visit.said.text(_A_PERSON_READS)
    return http.page("thanks", visit.brand, context, said=visit.said)


def _who_and_when(
    journey: Journey, answer: Answer, person: Person, documents: Documents, said: Words
) -> dict[str, Any]:
    # A doubtful answer opens no recovery; who looks after the one that is open already hears of it all the same.
    recovery = next((one for one in journey.recoveries if one.number == answer.recovery), journey.recovery)
    if recovery is None:
        # A person looks at it first, by then.
        look = documents.settings.calendar.add(answer.at, clock.span(answers.LOOK_WITHIN))
        by = said.hour(look, rendering.customer_zone(person, documents)) if answer.waits else None
        return {"negative": True, "next_contact_by": by}
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


def _opt_out_page(
    visit: Visit, chosen: Scope | Literal[""], view: str, now: datetime, *, again: bool = False
) -> Response:
    """Show the choices, and what holds already: the button of a mail program shows nobody what came of it."""
    held = _holding(visit.person, now)
    until = visit.person.paused_until
    message = _done(held, visit, _days(until - now) if until else 0) if held else ""
    chosen = chosen or ("everything" if held == "everything" else "asks")
    scopes = [
        {"value": value, "label": label, "hint": hint, "selected": value == chosen}
        for value, (label, hint) in _scopes(visit.said, visit.documents.settings).items()
    ]
    context = {"scope_options": scopes, "view": view, "done": False, "done_message": message, "again": again}
    return http.page("opt_out", visit.brand, context, 422 if again else 200, visit.said)


def _scopes(said: Words, settings: Settings) -> dict[Scope, tuple[str, str]]:
    """Return the choices of opting out, each with what it means."""
    days = _pause(settings)
    return {
        "asks": (said.text(_SCOPES["asks"]), said.text("We still answer you, and finish what is open.")),
        "everything": (
            said.text(_SCOPES["everything"]),
            said.text("Should something be open, a person will reach you another way."),
        ),
        "pause": (
            said.plural("A pause of %(num)s day", "A pause of %(num)s days", days),
            said.text("No questions and no news until then."),
        ),
    }


def _done(held: Scope, visit: Visit, days: int) -> str:
    """Return what holds from now on, a pause for so many days."""
    said = visit.said
    if held == "asks":
        return said.text("You will get no more questions or news from us.")
    if held == "everything":
        return said.text("You will get no more mail from us.")
    return said.plural(
        "You will get no questions or news from us for %(num)s day.",
        "You will get no questions or news from us for %(num)s days.",
        days,
    )


def _pause(settings: Settings) -> int:
    """Return how many days a pause has, begun ones included."""
    return _days(clock.elapsed(settings.pause))


def _days(span: timedelta) -> int:
    return -(-span // timedelta(days=1))


def _told(name: str, value: str, said: Words) -> dict[str, Any]:
    """Return what somebody chose as their page offered it, or what they wrote as they wrote it.

    Nothing for a pause: how long it is stands in settings that cannot be read now.
    """
    if name in {"call_back", "wrong"}:
        return {"value": said.text(_YES), "wrote": False}
    if name == "choice" and value in letters.WORDS:
        return {"value": said.text(letters.WORDS[value]), "wrote": False}
    if name == "scope":
        return {"value": said.text(_SCOPES[value]), "wrote": False} if value in _SCOPES else {}
    given = score(name, {name: value}) if name in SCALES else None
    if given is None:
        return {"value": value, "wrote": True}
    label = said.text(rendering.LABELS[name][given - SCALES[name][0]])
    alone = name == "solved" or label == value
    return {"value": label if alone else f"{value}: {label}", "wrote": False}


def given_back(fields: dict[str, str], said: Words) -> dict[str, Any]:
    """Show what somebody wrote, and carry it in the form, so that no word is lost."""
    shown = [
        {"label": said.text(_FIELDS[name]) if name in _FIELDS else name.replace("_", " ").capitalize(), **told}
        for name, value in fields.items()
        if value and name not in _CARRIED and (told := _told(name, value, said))
    ]
    hidden = [{"name": name, "value": value} for name, value in fields.items() if name not in _CARRIED]
    return {"fields": shown, "hidden": hidden, "view": fields.get("view", ""), "action": ""}
