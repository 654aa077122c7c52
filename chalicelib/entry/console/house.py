"""The house in which every page of the console stands: who may come in, what surrounds a page, how a form is answered.

A page is a function of one argument, its `Visit`, named by a row of `entry/routes.py`:

    def show(visit: Visit) -> Response:
        found = visit.call("audit.entries", Asked(cursor=visit.query("cursor")))
        return visit.show("audit", title="Audit", entries=found.entries)

By then the house has checked the session, the role and, for a form, that it came from a page of ours. A page gets at
nothing but by `Visit.call`, and by that only at the operations that its row names. A form answers with `Visit.see`: the
browser is sent to a page, where what happened is said once.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from importlib import import_module
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import msgspec
from chalice import Response

from chalicelib.effects import rendering
from chalicelib.entry import guard, http, routes
from chalicelib.entry.api import operations
from chalicelib.entry.api.door import where
from chalicelib.entry.api.operations import Actor, Context, Partners
from chalicelib.entry.api.problems import Forbidden, Problem, Refused, in_words, problem_of
from chalicelib.entry.console import assets
from chalicelib.entry.desk import OUTSIDE
from chalicelib.entry.guard import Guard
from chalicelib.entry.routes import Role, Route
from chalicelib.journey import clock
from chalicelib.journey.documents import Settings, StaffMember
from chalicelib.telemetry import Log

if TYPE_CHECKING:
    from chalicelib.entry.provider import Provider

#: Nothing from elsewhere, no inline script or style, no framing; a frame only for a mail as it was sent.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: dict[str, str | list[str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_FLASH = "__Host-aftercare-said"
_SAID_FOR = timedelta(minutes=1)
_LONGEST_SAID = 300
_LONGEST_VIEW = 40
_SEE_OTHER = 303
#: A page of ours: one slash, and nothing that a browser reads as another host or as the end of a header.
_PAGE = re.compile(r"/console(?:[/?][A-Za-z0-9/_.~%?&=+-]*)?")
#: What a problem is called on a page, where programs know it by another name.
_TITLES = {
    "Unprocessable": "That cannot be used",
    "Refused by the playbook": "Not now",
    "Forbidden": "Not with your role",
}


class Door(msgspec.Struct, frozen=True):
    """One entry of the navigation; ``key`` is pressed after g."""

    label: str
    path: str
    key: str


#: The navigation, in groups. An entry shows when the table has its page and the role is enough.
NAVIGATION: tuple[tuple[Door, ...], ...] = (
    (
        Door("Today", "/console", "t"),
        Door("Journeys", "/console/journeys", "j"),
        Door("People", "/console/people", "p"),
        Door("Log a failure", "/console/failures/new", "l"),
    ),
    (
        Door("Figures", "/console/figures", "f"),
        Door("Documents", "/console/documents", "d"),
        Door("Incidents", "/console/incidents", "i"),
        Door("Deliveries", "/console/deliveries", "v"),
        Door("Audit", "/console/audit", "a"),
        Door("API keys", "/console/keys", "k"),
    ),
)


class Visit:
    """One request of a page: who asks and for what, and the ways to answer."""

    def __init__(self, house: "House", route: Route, request: Any, parameters: Mapping[str, str], token: str) -> None:
        """Begin a visit; ``token`` is what the browser's cookie shows."""
        self._house = house
        self.route = route
        self.parameters = parameters
        self.token = token
        self.sent = guard.headers(request)
        self.now = house.now()
        #: The fields of the form that was posted.
        self.fields: dict[str, str] = {}
        #: Which showing of its page a form came from.
        self.view = ""
        self._request = request
        self._actor: Actor | None = None

    # -- who and what --------------------------------------------------------------------------------------

    @property
    def actor(self) -> Actor:
        """Who asks; raises Refused on a page that is open to everybody."""
        if self._actor is None:
            raise Refused(401, "Please sign in", "Nobody is signed in here.")
        return self._actor

    def admit(self, actor: Actor) -> None:
        """Let somebody in whose session was checked."""
        self._actor = actor

    @property
    def signed_in(self) -> bool:
        """Say whether somebody is signed in."""
        return self._actor is not None

    @property
    def member(self) -> StaffMember | None:
        """The member of staff who asks; None for one whom the staff document does not name."""
        return self._house.guard.staff().member(self.actor.id)

    @property
    def zone(self) -> str:
        """The zone in which whoever asks reads a time."""
        member = self.member if self._actor else None
        return (member.calendar if member and member.calendar else self._house.settings().calendar).zone

    @property
    def house(self) -> "House":
        """The house: for the pages of signing in, which nobody calls an operation from."""
        return self._house

    def query(self, name: str) -> str:
        """Return one parameter of the query, or an empty text."""
        return http.query(self._request, name)

    def call(self, name: str, asked: msgspec.Struct, *, once: bool = False) -> Any:
        """Call an operation that the page's row names; raises what the operation raises, and Forbidden.

        ``once``: the same form of the same page, sent again, is the same call.
        """
        if name not in self.route.uses:
            message = f"the row of {self.route.handler} does not name {name}"
            raise LookupError(message)
        context = Context(self.actor, self.now, self._house.partners)
        if once and self.view:
            context = replace(context, name=self._call_of(asked))
        # A page may ask for no more than a program may: the limits of the fields are those of the API.
        within = msgspec.convert(msgspec.to_builtins(asked), type(asked))
        return operations.run(operations.find(name), context, within)

    def _call_of(self, asked: msgspec.Struct) -> str:
        """Return a name for a call, of its page, whoever sent it and what it asks: a second press has the same."""
        line = (self.actor.id, self.view, self.route.handler, msgspec.to_builtins(asked))
        return sha256(msgspec.json.encode(line)).hexdigest()[:32]

    def may(self, name: str) -> bool:
        """Say whether the caller's role is enough for an operation: whether to show its button."""
        return routes.suffices(self.actor.role, routes.named(name).who)

    # -- answering -----------------------------------------------------------------------------------------

    def show(self, template: str, *, title: str, status: int = 200, **context: Any) -> Response:
        """Reply with ``templates/console/<template>.html`` in the shell.

        The template gets ``context`` and what `_surroundings` gives: see ``templates/console/_base.html``.
        """
        shown = rendering.console(template, {**self._surroundings(), "title": title, **context})
        return Response(shown, status_code=status, headers=self._headers())

    def see(self, path: str, said: str = "") -> Response:
        """Send the browser to a page of ours (``/console/…``), where ``said`` is shown once."""
        headers: dict[str, str | list[str]] = {**_HEADERS, "Location": self._house.root + path}
        if said:
            value = urlsafe_b64encode(said[:_LONGEST_SAID].encode()).decode()
            headers["Set-Cookie"] = guard.set_cookie(value, _SAID_FOR, _FLASH)
        return Response("", status_code=_SEE_OTHER, headers=headers)

    def file(self, name: str, media: str, content: str) -> Response:
        """Reply with a file to keep."""
        headers = {**_HEADERS, "Content-Type": f"{media}; charset=utf-8"}
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return Response(content, headers=headers)

    def framed(self, html: str) -> Response:
        """Reply with a mail or page for a frame on a page of ours: it runs nothing, sends nothing and asks for nothing.

        Pictures of a brand are on its own site, and mails have their styles inline.
        """
        policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; frame-ancestors 'self'"
        return Response(html, headers={**_HEADERS, "Content-Security-Policy": policy})

    def when(self, instant: datetime) -> str:
        """Return an instant as whoever asks reads it: ``Tue 5 May 2026, 17:00``."""
        local = instant.astimezone(clock.zone(self.zone))
        return f"{local:%a} {local.day} {local:%b %Y, %H:%M}"

    def _headers(self) -> dict[str, str | list[str]]:
        if not guard.cookie(self.sent, _FLASH):
            return _HEADERS
        return {**_HEADERS, "Set-Cookie": guard.set_cookie("", timedelta(), _FLASH)}

    def _surroundings(self) -> dict[str, Any]:
        """Return what the shell shows, and what every template may use."""
        return {
            "root": self._house.root,
            "brand": self._house.settings().brand,
            "asset": self._house.asset,
            "me": self._actor,
            "groups": self._navigation() if self._actor else [],
            "here": self.route.path,
            "said": _said(guard.cookie(self.sent, _FLASH)),
            "view": token_hex(8),
            "form_token": guard.form_token(self.token) if self.token else "",
            "when": self.when,
            "now": self.now,
            "may": self.may,
        }

    def _navigation(self) -> list[list[Door]]:
        pages = {route.path: route.who for route in routes.ROUTES if route.method == "GET" and route.kind == "page"}
        role = self.actor.role
        shown = [
            [door for door in group if door.path in pages and routes.suffices(role, pages[door.path])]
            for group in NAVIGATION
        ]
        return [group for group in shown if group]


class House:
    """Serves the pages."""

    def __init__(
        self,
        keeper: Guard,
        partners: Partners,
        now: Callable[[], datetime],
        log: Log,
        provider: "Callable[[], Provider | None]",
    ) -> None:
        """Keep who knows the visitors, and what operations work with.

        ``provider`` gives the company's own sign-in, or None where there is none; it raises what SSM raises.
        """
        self.provider = provider
        self.guard = keeper
        self.partners = partners
        self.now = now
        self.log = log
        self._settings: Settings | None = None

    @property
    def root(self) -> str:
        """What stands before every path of ours: the stage of API Gateway, or nothing behind a domain of one's own."""
        return urlsplit(self.partners.settings.base_url).path.rstrip("/")

    def asset(self, name: str) -> str:
        """Return the address of a style sheet or script."""
        return f"{self.root}/console/assets/{assets.address(name)}"

    def settings(self) -> Settings:
        """Return the settings document that holds now, or held when it could last be read, or that ships."""
        store = self.partners.documents
        try:
            found = store.version("settings", store.active("settings", self.now()))
        except OUTSIDE:
            found = self._settings or store.version("settings", 0)
        assert isinstance(found, Settings)  # noqa: S101 - the document of that kind
        self._settings = found
        return found

    def serve(self, route: Route, request: Any, parameters: Mapping[str, str]) -> Response:
        """Answer one request of a page."""
        visit = Visit(self, route, request, parameters, guard.cookie(guard.headers(request)))
        try:
            return self._enter(visit, request)
        except Exception as error:  # noqa: BLE001 - sorted here: what is the visitor's is told, what is ours is noted
            return self._told(visit, request, problem_of(error) or self._fault(error, route))

    def _enter(self, visit: Visit, request: Any) -> Response:
        route = visit.route
        if route.who != "open":
            signed_in = self.guard.signed_in(visit.sent)
            if signed_in is None:
                return self._to_sign_in(visit, request)
            visit.admit(signed_in.actor)
            if not routes.suffices(signed_in.actor.role, route.who):
                raise Forbidden(route.who)
        if route.method != "GET":
            self._check_form(visit, request)
        return _page(route)(visit)

    def _told(self, visit: Visit, request: Any, problem: Problem) -> Response:
        """Say on a page what was wrong, with what was typed: that must not be lost with the form."""
        return visit.show(
            "problem",
            title=_TITLES.get(problem.title, problem.title),
            status=problem.status,
            detail=in_words(problem),
            kept=self._kept(visit, request),
            back=self._came_from(visit),
        )

    def _kept(self, visit: Visit, request: Any) -> dict[str, str]:
        """Return what somebody wrote into a form that was not taken: only of a form that our own origin sent."""
        if visit.route.method == "GET" or not guard.is_of_our_origin(visit.sent, self.partners.settings.base_url):
            return {}
        try:
            visit.fields = visit.fields or http.form(request, of_staff=bool(visit.token))
        except http.BadForm:
            return {}
        module, _ = _module(visit.route)
        return module.kept(visit) if hasattr(module, "kept") else written(visit.fields)

    def _came_from(self, visit: Visit) -> str:
        """Return the page on which the form stood that was sent, or an empty text."""
        if visit.route.method == "GET":
            return ""
        whole = urlsplit(visit.sent.get("referer", ""))
        path = whole.path.removeprefix(self.root)
        back = f"{path}?{whole.query}" if whole.query else path
        return back if page_of_ours(back) == back and routes.is_page(path) else ""

    def _to_sign_in(self, visit: Visit, request: Any) -> Response:
        """Send whoever is not signed in to sign in, and back here afterwards; a form cannot be sent again unseen."""
        if visit.route.method != "GET":
            raise Refused(401, "Please sign in", "You are not signed in any more, so nothing was done.")
        path = visit.route.path.format_map(visit.parameters)
        query = "&".join(f"{quote(str(k))}={quote(str(v))}" for k, v in dict(request.query_params or {}).items())
        back = quote(f"{path}?{query}" if query else path)
        return visit.see(f"/console/sign-in?back={back}" if path != "/console" else "/console/sign-in")

    def _check_form(self, visit: Visit, request: Any) -> None:
        try:
            visit.fields = http.form(request, of_staff=visit.signed_in)
        except http.BadForm as error:
            raise Refused(400, "Bad request", "That form was not ours.") from error
        shown, visit.view = visit.fields.pop("form_token", ""), visit.fields.pop("view", "")[:_LONGEST_VIEW]
        if not guard.came_from_us(visit.sent, shown, visit.token, self.partners.settings.base_url):
            detail = (
                "This form does not come from a page that was made for you. Open the page again and send it from there."
            )
            raise Refused(403, "Not accepted", detail)

    def _fault(self, error: Exception, route: Route) -> Problem:
        """Log a fault of ours, by its kind and place: what it says may be about a person."""
        self.log.warning("a page failed", extra={"page": route.handler, **where(error)})
        return Problem(500, "Something is wrong here", "This is a fault of ours. It has been noted.")


def _page(route: Route) -> Callable[[Visit], Response]:
    module, name = _module(route)
    found: Callable[[Visit], Response] = getattr(module, name)
    return found


def _module(route: Route) -> tuple[Any, str]:
    """Return the module of a page, and the name of its function there."""
    module, _, name = route.handler.partition(".")
    return import_module(f"chalicelib.entry.console.{module}"), name


def page_of_ours(path: str) -> str:
    """Return the page to go to afterwards: one of ours, whatever was asked for."""
    return path if _PAGE.fullmatch(path) else "/console"


def written(fields: Mapping[str, str]) -> dict[str, str]:
    """Return those fields of a form that hold more words than one: the rest is chosen again at a press."""
    return {name: value for name, value in fields.items() if len(value.split()) > 1}


def _said(value: str) -> str:
    """Return what a cookie says to show once; nothing for one that we did not write."""
    try:
        return urlsafe_b64decode(value).decode()[:_LONGEST_SAID]
    except ValueError:
        return ""


def role_named(name: str) -> Role:
    """Return a role that a form chose; raises Refused for what is none."""
    for role in routes.ROLES:
        if role == name:
            return role
    raise Refused(422, "Unprocessable", "Please choose a role.", "role")
