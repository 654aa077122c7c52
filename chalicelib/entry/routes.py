"""Every HTTP route of Aftercare in one table: method, path, who may call it, and what answers.

Nothing that answers is imported here: it is named, and found when it is first called, so that a customer's page does
not load the console. There are three ways to answer:

- a *way in* names an attribute of the wiring and a method of it: customers' pages, webhooks. It checks for itself that
  the link or the message is signed;
- an *operation* names a function in `entry/api/`: ``audit.entries`` is ``entries`` of the module ``audit``. The staff
  API answers with it (`entry/api/door.py`), and checks who calls;
- a *page* of the console names a function in `entry/console/` in the same manner, and the operations that it may call:
  it gets at nothing by another way, so the console offers nothing that the API does not (`entry/console/house.py`).
"""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from chalicelib.entry.http import FORMS

if TYPE_CHECKING:
    from chalice import Chalice, Response

Role = Literal["viewer", "agent", "lead", "admin"]
#: Roles, the least first: who has one has those before it.
ROLES: tuple[Role, ...] = get_args(Role)
Who = Literal["link", "signed", "open"] | Role


class Route(NamedTuple):
    """One row. ``who`` is a role, or says what stands in for one: a signed link, a signed message, or nothing.

    ``kind`` says how ``handler`` is to be read; ``uses`` names the operations that a page may call.
    """

    method: str
    path: str
    who: Who
    handler: str
    kind: Literal["way in", "operation", "page"]
    uses: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return a name that no other row has."""
        return f"{self.kind} {self.handler}".replace(" ", "_").replace(".", "_")

    @property
    def takes_forms(self) -> bool:
        """Say whether browsers post forms to it."""
        return self.method == "POST" and (self.kind == "page" or self.who == "link")


def _way_in(method: str, path: str, who: Who, handler: str) -> Route:
    return Route(method, path, who, handler, "way in")


def _operation(method: str, path: str, who: Role, handler: str) -> Route:
    return Route(method, path, who, handler, "operation")


def _page(method: str, path: str, who: Who, handler: str, *uses: str) -> Route:
    return Route(method, path, who, handler, "page", uses)


ROUTES: tuple[Route, ...] = (
    # -- the customer
    _way_in("GET", "/a/{token}", "link", "answers.show"),
    _way_in("POST", "/a/{token}", "link", "answers.give"),
    _way_in("GET", "/p/{token}", "link", "proposals.show"),
    _way_in("POST", "/p/{token}", "link", "proposals.answer"),
    _way_in("GET", "/o/{token}", "link", "opt_outs.show"),
    _way_in("POST", "/o/{token}", "link", "opt_outs.opt_out"),
    _way_in("GET", "/d/{token}", "link", "answers.decoy"),
    # -- staff, by the link of a notice
    _way_in("GET", "/w/{token}", "link", "work.show"),
    _way_in("POST", "/w/{token}", "link", "work.act"),
    # -- other systems
    _way_in("POST", "/cases", "signed", "signed.case"),
    _way_in("POST", "/purchases", "signed", "signed.purchase"),
    _way_in("POST", "/failures", "signed", "signed.failure"),
    _way_in("POST", "/acts", "signed", "signed.act"),
    _way_in("GET", "/documents/{kind}", "signed", "signed.document"),
    _way_in("PUT", "/documents/{kind}", "signed", "signed.put_document"),
    _way_in("POST", "/documents/{kind}/{version}/activate", "signed", "signed.activate_document"),
    # -- signing in and out
    _page("GET", "/console/sign-in", "open", "sign_in.show"),
    _page("POST", "/console/sign-in", "open", "sign_in.ask"),
    _page("GET", "/console/sign-in/{token}", "open", "sign_in.confirm"),
    _page("POST", "/console/sign-in/{token}", "open", "sign_in.enter"),
    _page("GET", "/console/provider", "open", "provider.leave"),
    _page("GET", "/console/provider/back", "open", "provider.come_back"),
    _page("GET", "/console/assets/{name}", "open", "assets.show"),
    _page("POST", "/console/sign-out", "viewer", "sign_in.leave"),
    _operation("GET", "/v1/me", "viewer", "me.show"),
    _operation("POST", "/v1/me/sign-out", "viewer", "me.sign_out"),
    _way_in("GET", "/openapi.json", "open", "staff_api.describe"),
    # -- today
    _operation("GET", "/v1/todos", "viewer", "todos.listing"),
    _operation("POST", "/v1/todos/{journey_id}/{key}", "agent", "todos.attend"),
    _page("GET", "/console", "viewer", "today.show", "todos.listing"),
    _page("POST", "/console/todos/{journey_id}/{key}", "agent", "today.attend", "todos.attend"),
    _operation("GET", "/v1/search", "viewer", "people.search"),
    _page("GET", "/console/search", "viewer", "people.search", "people.search"),
    # -- journeys
    _operation("GET", "/v1/journeys", "viewer", "journeys.listing"),
    _operation("GET", "/v1/journeys/{journey_id}", "viewer", "journeys.show"),
    _operation("GET", "/v1/journeys/{journey_id}/mails/{touch_id}", "viewer", "journeys.mail"),
    _operation("POST", "/v1/journeys/{journey_id}/acts", "agent", "journeys.act"),
    _operation("POST", "/v1/journeys/{journey_id}/answers/{answer_id}/judge", "agent", "journeys.judge"),
    _operation("POST", "/v1/journeys/{journey_id}/stop", "lead", "journeys.stop"),
    _operation("POST", "/v1/journeys/{journey_id}/resume", "lead", "journeys.resume"),
    _page("GET", "/console/journeys", "viewer", "journeys.listing", "journeys.listing"),
    _page("GET", "/console/journeys/{journey_id}", "viewer", "journeys.show", "journeys.show"),
    _page("GET", "/console/journeys/{journey_id}/mails/{touch_id}", "viewer", "journeys.mail", "journeys.mail"),
    _page("GET", "/console/journeys/{journey_id}/html/{touch_id}", "viewer", "journeys.html", "journeys.mail"),
    _page("POST", "/console/journeys/{journey_id}/acts", "agent", "journeys.act", "journeys.act", "journeys.show"),
    _page("POST", "/console/journeys/{journey_id}/judge", "agent", "journeys.judge", "journeys.judge"),
    _page("POST", "/console/journeys/{journey_id}/stop", "lead", "journeys.stop", "journeys.stop"),
    _page("POST", "/console/journeys/{journey_id}/resume", "lead", "journeys.resume", "journeys.resume"),
    # -- people
    _operation("GET", "/v1/people/{person_id}", "viewer", "people.show"),
    _operation("GET", "/v1/people/{person_id}/export", "admin", "people.export"),
    _operation("POST", "/v1/people/{person_id}/address", "agent", "people.correct"),
    _operation("POST", "/v1/people/{person_id}/erase", "admin", "people.erase"),
    _page("GET", "/console/people", "viewer", "people.find", "people.search"),
    _page("GET", "/console/people/{person_id}", "viewer", "people.show", "people.show"),
    _page("GET", "/console/people/{person_id}/export", "admin", "people.export", "people.export"),
    _page("POST", "/console/people/{person_id}/address", "agent", "people.correct", "people.correct"),
    _page("POST", "/console/people/{person_id}/erase", "admin", "people.erase", "people.erase"),
    # -- a failure that never was a case
    _operation("POST", "/v1/failures", "agent", "failures.log"),
    _page("GET", "/console/failures/new", "agent", "failures.form"),
    _page("POST", "/console/failures", "agent", "failures.log", "failures.log"),
    # -- oneself
    _page("GET", "/console/me", "viewer", "me.show", "me.show"),
    _page("POST", "/console/me/sign-out", "viewer", "me.sign_out_everywhere", "me.sign_out"),
    # -- documents
    _operation("GET", "/v1/documents", "viewer", "documents.listing"),
    _operation("GET", "/v1/documents/{kind}", "viewer", "documents.state"),
    _operation("POST", "/v1/documents/{kind}/check", "viewer", "documents.check"),
    _operation("GET", "/v1/documents/{kind}/difference", "viewer", "documents.difference"),
    _operation("GET", "/v1/documents/{kind}/versions", "viewer", "documents.versions"),
    _operation("POST", "/v1/documents/{kind}/versions", "lead", "documents.store"),
    _operation("GET", "/v1/documents/{kind}/versions/{version}", "viewer", "documents.version"),
    _operation("POST", "/v1/documents/{kind}/activate", "lead", "documents.activate"),
    _operation("POST", "/v1/documents/{kind}/call-off", "lead", "documents.call_off"),
    _operation("GET", "/v1/documents/{kind}/versions/{version}/mails", "viewer", "preview.listing"),
    _operation("GET", "/v1/documents/{kind}/versions/{version}/mail", "viewer", "preview.show"),
    _operation("POST", "/v1/documents/{kind}/versions/{version}/mail", "lead", "preview.test"),
    _operation("GET", "/v1/holidays", "viewer", "holidays.days"),
    _operation("GET", "/v1/secrets", "admin", "secrets.listing"),
    _operation("POST", "/v1/secrets", "admin", "secrets.add"),
    _operation("POST", "/v1/secrets/{fingerprint}/retire", "admin", "secrets.retire"),
    _page("GET", "/console/documents", "viewer", "documents.listing", "documents.listing"),
    _page("GET", "/console/documents/{kind}", "viewer", "documents.edit", "documents.state", "documents.version"),
    _page(
        *("POST", "/console/documents/{kind}", "lead", "documents.submit"),
        *("documents.state", "documents.store", "holidays.days"),
    ),
    _page(
        *("GET", "/console/documents/{kind}/versions", "viewer", "documents.versions"),
        *("documents.state", "documents.versions", "documents.difference"),
    ),
    _page("POST", "/console/documents/{kind}/activate", "lead", "documents.activate", "documents.activate"),
    _page("POST", "/console/documents/{kind}/call-off", "lead", "documents.call_off", "documents.call_off"),
    _page(
        *("GET", "/console/documents/{kind}/preview", "viewer", "documents.preview"),
        *("preview.listing", "preview.show"),
    ),
    _page("GET", "/console/documents/{kind}/preview/mail", "viewer", "documents.preview_frame", "preview.show"),
    _page("POST", "/console/documents/{kind}/preview", "lead", "documents.test", "preview.test"),
    _page("GET", "/console/secrets", "admin", "secrets.show", "secrets.listing"),
    _page("POST", "/console/secrets", "admin", "secrets.add", "secrets.add", "secrets.listing"),
    _page("POST", "/console/secrets/retire", "admin", "secrets.retire", "secrets.retire"),
    # -- the figures
    _operation("GET", "/v1/figures", "viewer", "figures.show"),
    _operation("GET", "/v1/figures/export", "viewer", "figures.export"),
    _operation("GET", "/v1/figures/state", "viewer", "figures.state"),
    _operation("POST", "/v1/figures/rebuild", "admin", "figures.rebuild"),
    _page("GET", "/console/figures", "viewer", "figures.show", "figures.show", "figures.state"),
    _page("GET", "/console/figures/export", "viewer", "figures.export", "figures.export"),
    _page("POST", "/console/figures/rebuild", "admin", "figures.rebuild", "figures.rebuild"),
    # -- the audit
    _operation("GET", "/v1/audit", "lead", "audit.entries"),
    _operation("GET", "/v1/audit/export", "lead", "audit.export"),
    _page("GET", "/console/audit", "lead", "audit.show", "audit.entries"),
    _page("GET", "/console/audit/export", "lead", "audit.export", "audit.export"),
    # -- API keys
    _operation("GET", "/v1/keys", "admin", "keys.listing"),
    _operation("POST", "/v1/keys", "admin", "keys.create"),
    _operation("POST", "/v1/keys/{key_id}/revoke", "admin", "keys.revoke"),
    _page("GET", "/console/keys", "admin", "keys.show", "keys.listing"),
    _page("POST", "/console/keys", "admin", "keys.create", "keys.create", "keys.listing"),
    _page("POST", "/console/keys/{key_id}/revoke", "admin", "keys.revoke", "keys.revoke"),
)


def named(handler: str, routes: Iterable[Route] = ROUTES) -> Route:
    """Return the row of an operation; raises KeyError for one that the table does not have."""
    found = next((route for route in routes if route.kind == "operation" and route.handler == handler), None)
    if found is None:
        raise KeyError(handler)
    return found


def is_page(path: str) -> bool:
    """Say whether a path is that of a page which a browser can open."""
    pages = (route.path for route in ROUTES if route.kind == "page" and route.method == "GET")
    return any(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", page), path) for page in pages)


def suffices(role: str, who: Who) -> bool:
    """Say whether a role is at least the one that a row asks for."""
    return role in ROLES and who in ROLES and ROLES.index(role) >= ROLES.index(who)


def register(app: "Chalice", wired: Callable[[], Any]) -> None:
    """Give every row to Chalice."""
    for route in ROUTES:
        content_types = FORMS if route.takes_forms else ["application/json"]
        app.route(route.path, methods=[route.method], content_types=content_types, name=route.name)(
            _view(app, wired, route)
        )


def _view(app: "Chalice", wired: Callable[[], Any], route: Route) -> "Callable[..., Response]":
    def view(**parameters: str) -> "Response":
        return answer(wired(), route, app.current_request, parameters)

    return view


def answer(wiring: Any, route: Route, request: Any, parameters: dict[str, str]) -> "Response":
    """Answer one request by its row."""
    if route.kind == "way in":
        place, method = route.handler.split(".")
        reply: Response = getattr(getattr(wiring, place), method)(request, **parameters)
        return reply
    house = wiring.console if route.kind == "page" else wiring.staff_api
    served: Response = house.serve(route, request, parameters)
    return served
