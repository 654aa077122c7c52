"""What answers at each address of the local stack: the product's own handlers, and `/_local/` to look inside.

Everything but `/_local/` goes to the handlers of ``app.py`` as API Gateway would pass it on. Under `/_local/` a client
that accepts ``text/html`` gets a page, every other gets JSON. The stack takes one request at a time, as its clock does.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from threading import RLock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chalice.local import LocalGatewayException

from local import clockwork, desk, pages, replies
from local.clockwork import BadMove
from local.stack import Reply, Stack
from local.views import Mail, Views, journey_details, journey_summary
from local.visitor import READING, BadCase, resolve_a_case

_ROOT = "/_local"
#: Where the pages of customers begin.
_PRESSED = ("/a/", "/p/", "/o/")
_HTML = "text/html; charset=utf-8"
_MOST_FIELDS = 20
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """One HTTP request. ``headers`` have lower-case names."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """Return the path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """Return the query, the last of each name."""
        return _last_of(urlsplit(self.target).query)

    @property
    def form(self) -> dict[str, str]:
        """Return the fields of a posted form."""
        return _last_of(self.body.decode(errors="replace"))

    @property
    def wants_html(self) -> bool:
        """Say whether a person with a browser asks."""
        return "text/html" in self.headers.get("accept", "")

    @property
    def is_form(self) -> bool:
        """Say whether a browser posted a form of ours."""
        return self.wants_html and self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


def _last_of(text: str) -> dict[str, str]:
    try:
        found = parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in found.items()}


class Site:
    """Answers requests, one at a time, whichever thread they come from."""

    def __init__(self, stack: Stack, reading: timedelta = READING) -> None:
        """Serve this stack. Its clock stands still, so ``reading`` is what a visitor takes to press a button."""
        self._stack = stack
        self._reading = reading
        self._lock = RLock()
        self._views = Views(stack)
        self._pages = pages.Pages(self._views)
        self._cases = count(1)
        self._replies = count(1)
        self._pages.mails_before = len(self._views.mails())

    def answer(self, request: Request) -> Reply:
        """Answer one request, whatever happens."""
        with self._lock:
            try:
                return self._route(request)
            except Exception as error:  # the connection and the server go on
                log.exception("%s %s failed", request.method, request.path)
                return problem(500, "Internal error", f"{type(error).__name__}: {error}")

    def _route(self, request: Request) -> Reply:
        if request.path == _ROOT or request.path.startswith(f"{_ROOT}/"):
            return self._local(request)
        if request.path == "/" and request.wants_html:
            return _see(f"{_ROOT}/")
        return self._product(request)

    def _product(self, request: Request) -> Reply:
        """Pass it on to the product, and let the queues do what it left for them."""
        try:
            if request.method == "POST" and request.path[:3] in _PRESSED:
                self._stack.run_until(self._stack.clock.now + self._reading)
            return self._stack.request(request.method, request.target, dict(request.headers), request.body)
        except LocalGatewayException as refused:
            return Reply(refused.CODE, {"content-type": "application/json", **refused.headers}, refused.body or b"")
        finally:
            self._stack.settle()

    # -- /_local/ ----------------------------------------------------------------------------------------

    def _local(self, request: Request) -> Reply:
        parts = [part for part in request.path.split("/") if part][1:]
        if request.method in {"GET", "HEAD"}:
            return self._look(request, parts)
        act = self._act(parts) if request.method == "POST" else None
        if act is None:
            return self._refuse(request, 405, "Method not allowed", f"{request.method} {request.path} is not offered.")
        if request.headers.get("sec-fetch-site") == "cross-site":
            return problem(403, "Forbidden", "Another site's page may not do this.")
        return act(request)

    def _act(self, parts: list[str]) -> Callable[[Request], Reply] | None:
        match parts:
            case ["clock"]:
                return self._move
            case ["cases"]:
                return self._resolve
            case ["sign-in"]:
                return self._sign_in
            case ["mail", mail_id, "reply"] if (mail := self._views.mail(mail_id)) and replies.taken_by_us(mail):
                return partial(self._write_back, mail)
        return None

    def _look(self, request: Request, parts: list[str]) -> Reply:
        match parts:
            case []:
                return self._start(request)
            case ["style.css"]:
                return Reply(200, {"content-type": "text/css; charset=utf-8"}, pages.style())
            case ["mail"]:
                found = [mail.summary() for mail in self._views.mails()] if not request.wants_html else []
                return self._either(request, found, lambda: self._pages.mailbox(request.query))
            case ["mail", mail_id, *more] if (mail := self._views.mail(mail_id)) and more in ([], ["html"]):
                return _framed(mail) if more else self._mail(request, mail)
            case ["journeys"]:
                journeys = [journey_summary(journey) for journey in self._views.journeys()]
                return self._either(request, journeys, lambda: self._pages.journeys(request.query))
            case ["journeys", journey_id] if known := self._views.journey(journey_id):
                return self._either(request, journey_details(known), lambda: self._pages.journey(known))
            case ["clock"]:
                return self._either(request, self._views.clock(), self._pages.clock)
        return self._refuse(request, 404, "Not found", f"There is nothing at {request.path}.")

    def _start(self, request: Request) -> Reply:
        links = {name: f"{_ROOT}/{name}" for name in ("mail", "journeys", "clock")}
        counts = {"stages": self._views.stages(), "mails": len(self._views.mails())}
        data = {**self._views.clock(), **counts, "failures": self._stack.failures, "links": links}
        return self._either(request, data, self._pages.start)

    def _mail(self, request: Request, mail: Mail) -> Reply:
        if request.wants_html:
            return _page(self._pages.mail(mail, request.query))
        return Reply(200, {"content-type": "message/rfc822"}, mail.sent.raw)

    def _resolve(self, request: Request) -> Reply:
        """Take a visitor's own case from the form of the start page."""
        try:
            name = resolve_a_case(self._stack, request.form, f"DEMO-{next(self._cases)}")
        except BadCase as error:
            return _page(self._pages.start(errors=[str(error)], typed=request.form), 422)
        self._stack.settle()
        self._pages.flash = (
            f"{name}'s case is resolved, and a journey has begun. A day later the survey is in the mailbox."
        )
        return _see(f"{_ROOT}/")

    def _sign_in(self, request: Request) -> Reply:
        """Sign the visitor in as a member of staff, without the mail."""
        cookie = desk.sign_in(self._stack, request.form.get("as", ""))
        return Reply(303, {"location": "/console", "set-cookie": cookie}, b"") if cookie else _see(f"{_ROOT}/")

    def _write_back(self, mail: Mail, request: Request) -> Reply:
        """Let the visitor answer a mail as the customer who has it, and see what came of it."""
        words, away = request.form.get("words", "").strip()[: replies.LONGEST], request.form.get("as") == "away"
        if not words and not away:
            return _page(self._pages.mail(mail, request.query, errors=["Write something first."]), 422)
        before = len(self._views.mails())
        kept = replies.write_back(self._stack, mail, words, next(self._replies), away=away)
        self._pages.mails_before = before
        self._pages.flash = _came_in(away=away, kept=kept, noticed=len(self._views.mails()) > before)
        return _see(f"{_ROOT}/journeys/{mail.journey_id}")

    # -- the clock ---------------------------------------------------------------------------------------

    def _move(self, request: Request) -> Reply:
        signed_in = self._stack.wiring.guard.signed_in(request.headers)
        reply = self._move_as_asked(request)
        return desk.still_signed_in(self._stack, signed_in, reply) if signed_in else reply

    def _move_as_asked(self, request: Request) -> Reply:
        now = self._stack.clock.now
        if request.is_form:
            return self._move_by_form(request, now)
        try:
            end = clockwork.read(request.body, now)
        except BadMove as bad:
            return problem(400, "Bad request", str(bad), field=bad.field)
        return _json({"mails": self._run_until(end), **self._views.clock()})

    def _move_by_form(self, request: Request, now: datetime) -> Reply:
        fields = {name: value.strip() for name, value in request.form.items() if value.strip()}
        try:
            following = fields.pop("next", "") and self._views.next_event()
            end = following or clockwork.target(fields, now)
        except BadMove as bad:
            return _page(self._pages.clock(errors=[str(bad)], typed=fields.get("to", "")), 400)
        self._pages.flash = _happened(self._run_until(end))
        back = fields.get("back", "")
        return _see(back if back.startswith(f"{_ROOT}/") and "\n" not in back else f"{_ROOT}/clock")

    def _run_until(self, end: datetime) -> dict[str, int]:
        """Let everything until then happen; returns the mails that went out, by kind."""
        before = len(self._views.mails())
        self._stack.run_until(end)
        self._stack.settle()
        self._pages.mails_before = before
        return self._views.mails_by_kind(before)

    # -- replies -----------------------------------------------------------------------------------------

    def _either(self, request: Request, data: Any, page: Any) -> Reply:
        return _page(page()) if request.wants_html else _json(data)

    def _refuse(self, request: Request, status: int, title: str, detail: str) -> Reply:
        if request.wants_html:
            return _page(self._pages.problem(title, detail), status)
        return problem(status, title, detail)


def _happened(mails: Mapping[str, int]) -> str:
    """Return what happened while the clock moved, in words."""
    if not mails:
        return "The clock has moved. No mail was due."
    number = sum(mails.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in mails.items())
    return f"The clock has moved, and {'one mail was' if number == 1 else f'{number} mails were'} sent: {kinds}."


def _came_in(*, away: bool, kept: bool, noticed: bool) -> str:
    """Return what came of a reply, in words."""
    stands = "and stands on the journey" if away else "and stand on the journey"
    where = stands if kept else "; the journey has enough of them, so it lies in the bucket only"
    told = "a notice went to staff" if noticed else "nobody was written to"
    return f"{'The automatic reply came in' if away else 'The words came in'}{' ' if kept else ''}{where}; {told}."


def _page(body: bytes, status: int = 200) -> Reply:
    return Reply(status, {"content-type": _HTML, "content-security-policy": pages.POLICY, "vary": "Accept"}, body)


def _framed(mail: Mail) -> Reply:
    return Reply(200, {"content-type": _HTML, "content-security-policy": pages.MAIL_POLICY}, pages.framed(mail))


def _json(value: Any, status: int = 200, content_type: str = "application/json") -> Reply:
    return Reply(status, {"content-type": content_type, "vary": "Accept"}, json.dumps(value).encode())


def problem(status: int, title: str, detail: str, **more: str) -> Reply:
    """Return a problem (RFC 9457)."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return _json(body, status, "application/problem+json")


def _see(path: str) -> Reply:
    return Reply(303, {"location": path}, b"")
