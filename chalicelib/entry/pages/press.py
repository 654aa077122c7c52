"""Whether a form was sent by somebody who pressed its button on a page that we showed them.

Three things must agree: the note that the page carried (`Links.view`), where the browser says that the form came from,
and how it says that it was sent. Old browsers say nothing, and the note alone decides.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.journey import clock
from chalicelib.journey.documents import Trust
from chalicelib.links import Link, Links, Shown

#: The clocks of two functions may disagree by so much.
_SKEW = timedelta(minutes=1)


def is_prefetch(request: Any) -> bool:
    """Say whether a browser fetched the page for later: nobody looks at it, and nobody may ever do."""
    return "prefetch" in _header(request, "sec-purpose")


def client(request: Any, links: Links) -> str:
    """Return a keyed hash of the address and the program that a request came from; neither is kept.

    Keys are replaced now and then. Two requests around that moment look like two clients, which a person then judges.
    """
    identity: Mapping[str, Any] = (request.context or {}).get("identity") or {}
    address = str(identity.get("sourceIp") or "")
    return links.blind(f"{address}|{_header(request, 'user-agent')}") if address else ""


def pressed(request: Any, links: Links, link: Link, view: str, now: datetime, rules: Trust) -> Shown | None:
    """Return the view of the page whose button was pressed, or None for anything else that sends a form."""
    shown = links.shown(link, view)
    if shown is None or not -_SKEW <= now - shown.at <= clock.elapsed(rules.view_lasts):
        return None
    return shown if _from_our_page(request, links.origin) and _by_a_person(request) else None


def _from_our_page(request: Any, origin: str) -> bool:
    """A form of another site names that site, and one of a sandboxed frame or a file is of no origin (``null``).

    Ours is the host that was asked as well: links that left before a stage had a domain of its own lead to the API's.
    """
    came_from, site = _header(request, "origin"), _header(request, "sec-fetch-site")
    asked = f"{origin.partition('://')[0]}://{_header(request, 'host')}"
    return came_from in {"", origin, asked} and site in {"", "same-origin"}


def _by_a_person(request: Any) -> bool:
    """A form navigates; a script that fetches does not. Chromium also says whether a person set off the navigation.

    Safari does not say it of anybody, so its silence means nothing; Chromium is known by its client hints.
    """
    mode = _header(request, "sec-fetch-mode")
    if mode not in {"", "navigate"}:
        return False
    tells = bool(mode) and "chromium" in _header(request, "sec-ch-ua")
    return not tells or _header(request, "sec-fetch-user") == "?1"


def _header(request: Any, name: str) -> str:
    return str((request.headers or {}).get(name, "")).strip().lower()
