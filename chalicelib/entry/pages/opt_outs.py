"""The page on which customers opt out, and the button of a mail program that needs no page (RFC 8058)."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal, get_args

from chalice import Response

from chalicelib.effects.words import Words
from chalicelib.entry import http
from chalicelib.entry.pages.given_back import SCOPES
from chalicelib.entry.pages.reception import Reception, Visit, fields_of, only_switches
from chalicelib.journey import clock
from chalicelib.journey.documents import Settings
from chalicelib.journey.events import Event, OptedOut, Scope
from chalicelib.journey.state import Person
from chalicelib.links import Link, Shown
from chalicelib.pipeline import Handled


class OptOuts:
    """Shows the choices, and holds what somebody chose."""

    def __init__(self, reception: Reception) -> None:
        """Keep its partner."""
        self._at = reception

    def show(self, request: Any, token: str) -> Response:
        """Show the choices of opting out; opening the page opts nobody out."""
        return self._at.show(
            request, token, "opt_out", lambda visit: _page(visit, "", self._at.fresh(visit.link), self._at.now())
        )

    def opt_out(self, request: Any, token: str) -> Response:
        """Opt out: by the button of a mail program (RFC 8058, no page, no cookie) or by ours.

        A mail program saw no page of ours, so its form has none of our fields; one that has was on our page.
        """
        fields = fields_of(request)
        ours = "scope" in fields or "view" in fields
        scope: Scope = fields["scope"] if fields.get("scope") in get_args(Scope) else "asks"  # type: ignore[assignment]

        def event(link: Link, shown: Shown | None) -> OptedOut:
            name = f"opted-out/{shown.name if shown else _said(fields, token)}/{scope}"
            return OptedOut(event_id=name, occurred_at=self._at.now(), journey_id=link.journey_id, scope=scope)

        def take(visit: Visit) -> Response:
            shown = self._at.pressed(request, visit.link, fields, visit.documents.settings.trust)
            if only_switches(fields) or (ours and shown is None):
                view = self._at.same(visit.link, fields, shown)
                return _page(visit, scope, view, self._at.now(), again=not only_switches(fields))

            def done(handled: Handled) -> Response:
                held = _holding(handled.person or visit.person, self._at.now()) or scope
                message = _done(held, visit, _pause(visit.documents.settings))
                context = {"done": True, "done_message": message, "scope_options": [], "view": "", "again": False}
                return http.page("opt_out", visit.brand, context, said=visit.said)

            return self._at.hand_in(event(visit.link, shown), fields, visit.said, done)

        def keep(link: Link, shown: Shown | None) -> Event | None:
            return event(link, shown) if shown or not ours else None

        return self._at.open(request, fields, token, "opt_out", take, keep)


def _page(visit: Visit, chosen: Scope | Literal[""], view: str, now: datetime, *, again: bool = False) -> Response:
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
        "asks": (said.text(SCOPES["asks"]), said.text("We still answer you, and finish what is open.")),
        "everything": (
            said.text(SCOPES["everything"]),
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


def _holding(person: Person, now: datetime) -> Scope | None:
    """Return what somebody has opted out of: asking for less does not undo what was asked for before."""
    if person.no_mail_since is not None:
        return "everything"
    if person.no_asks_since is not None:
        return "asks"
    return "pause" if person.paused_until is not None and person.paused_until > now else None


def _pause(settings: Settings) -> int:
    """Return how many days a pause has, begun ones included."""
    return _days(clock.elapsed(settings.pause))


def _days(span: timedelta) -> int:
    return -(-span // timedelta(days=1))


def _said(fields: dict[str, str], token: str) -> str:
    """Name a form without a page by its words: sent twice it is sent once."""
    said = "\x1f".join((token, *(f"{name}={value}" for name, value in sorted(fields.items()))))
    return sha256(said.encode()).hexdigest()[:32]
