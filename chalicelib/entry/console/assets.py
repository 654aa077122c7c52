"""The console's style sheet and script: ours, from the same origin, kept by browsers until their content changes."""

from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from chalice import Response

from chalicelib.effects import rendering
from chalicelib.entry.api.problems import NotFound

if TYPE_CHECKING:
    from chalicelib.entry.console.house import Visit

_KINDS = {"style.css": "text/css", "console.js": "text/javascript"}


@cache
def _content(name: str) -> str:
    return rendering.console(name, {})


@cache
def address(name: str) -> str:
    """Return the name under which an asset is served: its content's hash stands in it."""
    digest = sha256(_content(name).encode()).hexdigest()[:16]
    return f"{digest}-{name}"


def show(visit: "Visit") -> Response:
    """Reply with an asset, for ever: another content has another address."""
    asked = visit.parameters["name"]
    name = next((name for name in _KINDS if asked == address(name)), None)
    if name is None:
        raise NotFound("no such file")
    headers: dict[str, str | list[str]] = {
        "Content-Type": f"{_KINDS[name]}; charset=utf-8",
        "Cache-Control": "public, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(_content(name), headers=headers)
