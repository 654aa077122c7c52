"""Between Chalice and the entry points: requests in, replies out."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec
from chalice import Response

from chalicelib.effects import rendering
from chalicelib.effects.words import Words
from chalicelib.journey.documents import Brand

#: A form of ours has at most a dozen fields; an answer at most 8,000 characters, which UTF-8 and URL encoding stretch.
_MOST_FIELDS = 40
_LARGEST_FORM = 128 * 1024
#: A document as a form has a field for each of its values, and the document beside them.
_MOST_FIELDS_OF_STAFF = 4_000
_LARGEST_FORM_OF_STAFF = 1024 * 1024
#: What every page says: keep no copy, send our address nowhere else, guess no type, index nothing.
_PAGE_HEADERS: dict[str, str | list[str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Strict-Transport-Security": "max-age=31536000",
}
FORMS = ["application/x-www-form-urlencoded", "multipart/form-data"]


class BadForm(Exception):
    """A form that no browser sends for our pages."""


def body(request: Any) -> bytes:
    """Return the body of a request; raises ValueError for one that is not what its own gateway says it is."""
    sent: bytes = request.raw_body or b""
    return sent


def form(request: Any, *, of_staff: bool = False) -> dict[str, str]:
    """Return the fields of a posted form, the last of each name; raises BadForm.

    Somebody who is signed in may send a larger one.
    """
    largest, most = (_LARGEST_FORM_OF_STAFF, _MOST_FIELDS_OF_STAFF) if of_staff else (_LARGEST_FORM, _MOST_FIELDS)
    try:
        sent = body(request)
        if len(sent) > largest:
            raise BadForm
        fields = parse_qs(sent.decode(), keep_blank_values=True, max_num_fields=most)
    except ValueError as error:
        raise BadForm from error
    return {name: values[-1] for name, values in fields.items()}


def query(request: Any, name: str) -> str:
    """Return one parameter of the query, or an empty text."""
    return str((request.query_params or {}).get(name, ""))


def page(name: str, brand: Brand, context: Mapping[str, Any], status: int = 200, said: Words | None = None) -> Response:
    """Reply with a page in the words of a language, in English if none is given."""
    shown, policy = rendering.page(name, brand, dict(context), said)
    return Response(shown, status_code=status, headers={**_PAGE_HEADERS, "Content-Security-Policy": policy})


def not_beforehand() -> Response:
    """Refuse to be fetched for later: browsers drop a page that was refused, and ask again when somebody wants it."""
    headers: dict[str, str | list[str]] = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
    return Response("Not before somebody asks for it.\n", status_code=403, headers=headers)


def json_reply(value: Any, status: int = 200) -> Response:
    """Reply with JSON."""
    return _json(value, status, "application/json")


def problem(status: int, title: str, detail: str, **more: str) -> Response:
    """Reply with a problem (RFC 9457) that says what was wrong."""
    told = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return _json(told, status, "application/problem+json")


def _json(value: Any, status: int, content_type: str) -> Response:
    headers: dict[str, str | list[str]] = {"Content-Type": content_type, "Cache-Control": "no-store"}
    return Response(msgspec.json.encode(value).decode(), status_code=status, headers=headers)
