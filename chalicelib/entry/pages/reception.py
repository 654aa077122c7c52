"""Where customers come in: what a link opens, and how what they press is taken in, kept or given back."""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from secrets import token_hex
from typing import Any

import msgspec
from chalice import Response

from chalicelib.effects import rendering, words
from chalicelib.effects.words import N_, Words
from chalicelib.entry import http
from chalicelib.entry.desk import OUTSIDE, Desk, Unavailable
from chalicelib.entry.pages import press
from chalicelib.entry.pages.answer_form import AnswerForm
from chalicelib.entry.pages.given_back import given_back
from chalicelib.journey.documents import LANGUAGES, Brand, Documents, Settings, Trust
from chalicelib.journey.events import Event
from chalicelib.journey.state import Journey, Person
from chalicelib.links import BadLink, Link, Links, Purpose, Shown
from chalicelib.pipeline import Handled, Pipeline

A_PERSON_READS = N_("A person reads what you wrote, and will be in touch with you.")


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


class Reception:
    """Opens a link for whoever has it, and hands in what they press; the pages share it."""

    def __init__(self, desk: Desk, links: Links, now: Callable[[], datetime]) -> None:
        """Keep its partners."""
        self._desk = desk
        self.links = links
        self.now = now
        self.brand = LastBrand(desk.pipeline)

    def fresh(self, link: Link) -> str:
        """Return the note of a view that begins now."""
        return self.links.view(link, self.now(), token_hex(16))

    def same(self, link: Link, fields: dict[str, str], shown: Shown | None) -> str:
        """Return the note of the view that a form came from, or of a new one where that is worth nothing."""
        return fields["view"] if shown else self.fresh(link)

    def pressed(self, request: Any, link: Link, fields: dict[str, str], rules: Trust) -> Shown | None:
        """Return the view whose button was pressed, or None for anything else that sends a form."""
        return press.pressed(request, self.links, link, fields.get("view", ""), self.now(), rules)

    def show(self, request: Any, token: str, purpose: Purpose, show: Callable[[Visit], Response | None]) -> Response:
        """Show a page to somebody who wants it now."""
        return http.not_beforehand() if press.is_prefetch(request) else self.open(request, {}, token, purpose, show)

    def open(
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
        said = words.words(chosen) if chosen else speaks(request)
        try:
            link = self.links.read(token, purpose, self.now())
        except BadLink:
            return self.bad_link(said)
        try:
            visit = visited(link, self._desk.pipeline, self.now(), chosen)
        except OUTSIDE:
            pressed = self.pressed(request, link, fields, Trust())
            event = None if only_switches(fields) else keep(link, pressed)
            if event is None:
                return self._sorry(fields | {"view": self.same(link, fields, pressed)}, said)
            return self._keep(event, fields, said)
        shown = show(visit) if visit else None
        return self.bad_link(said) if shown is None else shown

    def bad_link(self, said: Words) -> Response:
        """Reply as to every bad link."""
        return http.page("bad_link", self.brand(self.now()), {}, 404, said)

    def hand_in(
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
        return http.page("received", self.brand(self.now()), {}, 202, said)

    def _sorry(self, fields: dict[str, str], said: Words) -> Response:
        return http.page("sorry", self.brand(self.now()), given_back(fields, said), 503, said)


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


def fields_of(request: Any) -> dict[str, str]:
    """Return the fields of a form; one that no browser of ours sends has none."""
    try:
        return http.form(request)
    except http.BadForm:
        return {}


def only_switches(fields: dict[str, str]) -> bool:
    """Say whether the form was sent to see it in another language: that answers nothing."""
    return fields.get("language") in LANGUAGES


def _chosen(fields: dict[str, str]) -> str:
    """Return the language that somebody chose, now or before on this form, or an empty text."""
    return next((fields[name] for name in ("language", "lang") if fields.get(name) in LANGUAGES), "")


def speaks(request: Any) -> Words:
    """Return the words of the language that a browser asks for."""
    return words.words(words.accepted(str(request.headers.get("accept-language", ""))))


def identity(view: str, *said: str) -> str:
    """Name what was said on one view of a page: said again it is the same fact, changed it is another."""
    return sha256("\x1f".join((view, *said)).encode()).hexdigest()[:32]
