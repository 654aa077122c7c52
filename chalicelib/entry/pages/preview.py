"""The customer's pages as documents make them, for a preview: production's own pages over a journey that is made up.

Nothing is stored: what is pressed is decided, shown and forgotten.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec.structs import replace

from chalicelib.entry.pages.answers import Answers
from chalicelib.entry.pages.opt_outs import OptOuts
from chalicelib.entry.pages.proposals import Proposals
from chalicelib.entry.pages.reception import Reception
from chalicelib.journey import cadence, machine, rehearsal
from chalicelib.journey.documents import SCALES, Documents
from chalicelib.journey.events import Event
from chalicelib.journey.rehearsal import Scene
from chalicelib.journey.state import Journey, Person, Stage
from chalicelib.links import Link, Links
from chalicelib.pipeline import Handled
from chalicelib.store.items import Stored

#: Longer than a machine takes to press a button, shorter than any rule of a document is about.
_READING = timedelta(seconds=30)
#: How the name of each page begins, and that of no mail.
PAGE = "page: "
_VIEW = re.compile(r'name="view" value="([^"]+)"')
_TITLE = re.compile(r"<title>([^<]*)</title>")


class Page(msgspec.Struct, frozen=True):
    """A page at the moment at which the customer of the rehearsal comes to it."""

    name: str
    at: datetime
    title: str
    html: str


def pages(documents: Documents, language: str, now: datetime, links: Links) -> Iterator[Page]:
    """Yield every page that these documents lead to, in the order of a journey that begins now."""
    found: set[str] = set()
    for scene in rehearsal.scenes(documents, language, now):
        for name, make in _of(scene, documents, links):
            # several mails lead to the same page, and a page takes a while to make
            if name not in found:
                found.add(name)
                yield make()


def page(documents: Documents, language: str, now: datetime, links: Links, name: str) -> Page | None:
    """Return the page of that name, or None when these documents lead to none; no other is made for it."""
    for scene in rehearsal.scenes(documents, language, now):
        for one, make in _of(scene, documents, links):
            if one == name:
                return make()
    return None


def _of(scene: Scene, documents: Documents, links: Links) -> Iterator[tuple[str, Callable[[], Page]]]:
    """Yield the name of each page to which the mail of a scene leads, and what makes it."""
    touch, journey = scene.touch, scene.journey
    if touch is None:
        return

    def visitor() -> _Visitor:
        return _Visitor(scene, documents, links)

    if touch.kind in {"survey", "check-in"}:
        asked, link = cadence.asked(touch, journey, documents), Link("answer", journey.id, touch.id)
        yield _made(f"{PAGE}{scene.name}", visitor, link)
        if touch.kind == "survey":
            for name, end in (("bad", 0), ("good", 1)):
                scores: dict[str, str] = {question.measure: str(SCALES[question.measure][end]) for question in asked}
                yield _made(f"{PAGE}after a {name} answer", visitor, link, scores)
            yield _made(f"{PAGE}opting out", visitor, Link("opt_out", journey.id, touch.id))
    elif touch.kind == "proposal":
        link = Link("proposal", journey.id, f"{journey.recoveries[-1].number}.{touch.number}")
        yield _made(f"{PAGE}proposal", visitor, link)
        yield _made(f"{PAGE}after a word on the proposal", visitor, link, {"choice": "falls_short"})


def _made(
    name: str, visitor: "Callable[[], _Visitor]", link: Link, fields: dict[str, str] | None = None
) -> tuple[str, Callable[[], Page]]:
    """Return a page's name, and what makes it: a look at what a link leads to or, with fields, a press there."""
    return name, lambda: visitor().press(name, link, fields) if fields else visitor().look(name, link)


class _Visitor:
    """Somebody who opens a link of the scene's mail, and may press the button."""

    def __init__(self, scene: Scene, documents: Documents, links: Links) -> None:
        sent = tuple(
            replace(one, sent_at=scene.at) if scene.touch and one.id == scene.touch.id else one
            for one in scene.journey.touches
        )
        stage = Stage.ASKED if scene.journey.stage is Stage.WAITING else scene.journey.stage
        self._desk = _Rehearsed(replace(scene.journey, touches=sent, stage=stage), scene.person, documents)
        self._links = links
        self._now = scene.at + timedelta(hours=1)
        reception = Reception(self._desk, links, lambda: self._now)  # type: ignore[arg-type]  # all that pages ask of it
        self._answers = Answers(reception, self._desk)  # type: ignore[arg-type]
        self._proposals, self._opt_outs = Proposals(reception), OptOuts(reception)

    def look(self, name: str, link: Link) -> Page:
        """Open it."""
        show = {
            "answer": self._answers.show,
            "proposal": self._proposals.show,
            "opt_out": self._opt_outs.show,
        }
        return self._page(name, show[link.purpose](_request(), self._links.token(link)))

    def press(self, name: str, link: Link, fields: dict[str, str]) -> Page:
        """Open it, read it, fill it in and press the button."""
        view = _VIEW.search(self.look(name, link).html)
        self._now += _READING
        give = {"answer": self._answers.give, "proposal": self._proposals.answer}[link.purpose]
        form = urlencode({"view": view[1] if view else "", **fields}).encode()
        return self._page(name, give(_request(form), self._links.token(link)))

    def _page(self, name: str, reply: Any) -> Page:
        title = _TITLE.search(reply.body)
        return Page(name, self._now, title[1] if title else name, reply.body)


class _Rehearsed:
    """What pages work with, over one journey in memory: desk, pipeline, table, documents and decoys in one."""

    def __init__(self, journey: Journey, person: Person, documents: Documents) -> None:
        self.pipeline = self.table = self.documents = self
        self._journey, self._person, self._documents = journey, person, documents

    def hand_in(self, event: Event) -> Handled:
        decision = machine.decide(self._journey, self._person, event, self._documents)  # type: ignore[arg-type]  # a customer's
        return Handled(decision.journey, decision.person, self._documents)

    def journey(self, journey_id: str) -> Stored:
        del journey_id
        return Stored(self._journey, 1)

    def person(self, person_id: str) -> Stored:
        del person_id
        return Stored(self._person, 1)

    def for_journey(self, journey: Journey, now: datetime) -> Documents:
        del journey, now
        return self._documents

    def active(self, kind: str, now: datetime) -> int:
        del kind, now
        return 0

    def version(self, kind: str, number: int) -> Any:
        del number
        return getattr(self._documents, kind)

    def last_opened(self, journey_id: str, touch_id: str, client: str = "") -> None:
        del journey_id, touch_id, client


def _request(form: bytes = b"") -> Any:
    """Return a request of an old browser, which says nothing about itself."""
    return SimpleNamespace(headers={}, query_params=None, raw_body=form, context={})
