"""The staff API over HTTP: who calls, what is asked, what came of it. Every operation has the same door.

A call shows an API key, or comes from a browser that is signed in; then a change must also show the session's form
token in ``X-Form-Token`` and come from our own origin. A change may carry an ``Idempotency-Key``: the same call again
gets the same reply, another call with the same key is refused, and two at once do not both run.
"""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any, get_type_hints
from urllib.parse import unquote

import msgspec
from chalice import Response

from chalicelib.entry import decode, http, routes
from chalicelib.entry.api import operations
from chalicelib.entry.api.operations import Actor, Context, Nothing, Operation, Partners
from chalicelib.entry.api.problems import BadField, Forbidden, Problem, Refused, Unauthorised, problem_of
from chalicelib.entry.guard import Guard, came_from_us, cookie, headers
from chalicelib.entry.routes import Route
from chalicelib.store.access import Access, Reply
from chalicelib.store.errors import Conflict
from chalicelib.telemetry import Log

_LARGEST = 512 * 1024
#: A reply that is kept for an idempotency key stands in one item of the table, which takes 400 KB.
_LARGEST_KEPT = 300 * 1024
_LONGEST_KEY = 255
_LEAST_FAULT = 500
_JSON = "application/json"


def where(error: Exception) -> dict[str, str]:
    """Return the kind of an error and the line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_globals.get('__name__', '')}:{trace.tb_lineno}" if trace is not None else ""
    return {"error": type(error).__name__, "place": place}


class Door:
    """Lets calls in, one operation each."""

    def __init__(self, guard: Guard, access: Access, partners: Partners, now: Callable[[], datetime], log: Log) -> None:
        """Keep who knows the callers, and what operations work with."""
        self._guard = guard
        self._access = access
        self._partners = partners
        self._now = now
        self._log = log

    def serve(self, route: Route, request: Any, parameters: dict[str, str]) -> Response:
        """Answer one call of an operation."""
        found = operations.find(route.handler)
        try:
            actor = _allowed(self._caller(request, found), route)
            reply = self._once(found, actor, request, parameters)
        except Exception as error:  # noqa: BLE001 - sorted here: what is the caller's is told, what is ours is raised
            return _told(problem_of(error) or self._fault(error, route))
        return _response(reply, found.marks.media if reply.status < _LEAST_FAULT else _JSON)

    def describe(self, request: Any) -> Response:
        """Answer with the description of the API (OpenAPI 3.1)."""
        del request
        from chalicelib.entry.api import openapi  # noqa: PLC0415 - it loads every operation, which no call needs

        said: dict[str, str | list[str]] = {
            "Content-Type": _JSON,
            "Cache-Control": "public, max-age=300",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(openapi.document(self._partners.settings.base_url), headers=said)

    def _fault(self, error: Exception, route: Route) -> Problem:
        """Log a fault of ours, by its kind and place: what it says may be about a person."""
        self._log.warning("an operation failed", extra={"operation": route.handler, **where(error)})
        return Problem(500, "Internal error", "This is a fault of ours. It has been noted.")

    def _caller(self, request: Any, found: Operation) -> Actor:
        """Return who calls; raises Unauthorised, and Refused for a change that no page of ours asks for."""
        sent = headers(request)
        if "authorization" in sent:
            actor = self._guard.key(sent["authorization"])
            if actor is None:
                raise Unauthorised("This API key is not known, or was revoked.")
            return actor
        signed_in = self._guard.signed_in(sent)
        if signed_in is None:
            raise Unauthorised
        ours = self._partners.settings.base_url
        if not found.reads and not came_from_us(sent, sent.get("x-form-token", ""), cookie(sent), ours):
            raise Refused(403, "Forbidden", "A session changes nothing without its form token in X-Form-Token.")
        return signed_in.actor

    # -- the same call again -----------------------------------------------------------------------------

    def _once(self, found: Operation, actor: Actor, request: Any, parameters: dict[str, str]) -> Reply:
        key = headers(request).get("idempotency-key", "")
        if found.reads or not key:
            return self._call(found, Context(actor, self._now(), self._partners), request, parameters)
        if len(key) > _LONGEST_KEY or not key.isprintable():
            raise Refused(422, "Unprocessable", f"Idempotency-Key: at most {_LONGEST_KEY} printable characters.")
        name = f"{actor.id}|{key}"
        asked = _request(found, request, parameters)
        known = self._known(name, asked)
        if known is not None:
            return known
        try:
            self._access.begin_call(name, asked, self._now())
        except Conflict:
            return self._known(name, asked) or _under_way()
        return self._begun(found, actor, request, parameters, name)

    def _known(self, name: str, asked: str) -> Reply | None:
        """Return the reply that a call got before; raises Refused when its key was used for another."""
        answered = self._access.answered(name, self._now())
        if answered is None:
            return None
        if answered.request != asked:
            raise Refused(422, "Unprocessable", "Idempotency-Key: it was used for another call.", "Idempotency-Key")
        return answered.reply or _under_way()

    def _begun(self, found: Operation, actor: Actor, request: Any, parameters: dict[str, str], name: str) -> Reply:
        """Run a call that has a key, and keep what came of it; what came to nothing may be tried again."""
        context = Context(actor, self._now(), self._partners, name=sha256(name.encode()).hexdigest()[:32])
        try:
            reply = self._call(found, context, request, parameters)
        except Exception:
            self._access.end_call(name, None)
            raise
        self._access.end_call(name, _to_keep(found, reply))
        return reply

    # -- one call ----------------------------------------------------------------------------------------

    def _call(self, found: Operation, context: Context, request: Any, parameters: dict[str, str]) -> Reply:
        given = operations.run(found, context, taken(found, request, parameters))
        if isinstance(given, str):
            return Reply(found.marks.status, given.encode())
        return Reply(found.marks.status, b"" if isinstance(given, Nothing) else msgspec.json.encode(given))


def _allowed(actor: Actor, route: Route) -> Actor:
    """Return the caller, before what they send is looked at; raises Forbidden."""
    if not routes.suffices(actor.role, route.who):
        raise Forbidden(route.who)
    return actor


def taken(found: Operation, request: Any, parameters: dict[str, str]) -> msgspec.Struct:
    """Return the input of an operation; raises an error that names the field which is wrong."""
    named = {name: unquote(value) for name, value in parameters.items()}
    if found.reads or found.route.method == "DELETE":
        query = {str(name): str(value) for name, value in dict(request.query_params or {}).items()}
        _no_second(named, query)
        return msgspec.convert(query | named, found.takes, strict=False)
    sent = http.body(request)
    if len(sent) > _LARGEST:
        raise Refused(413, "Content too large", f"A call has at most {_LARGEST} bytes.")
    body = _object(sent)
    _no_second(named, body)
    hints = get_type_hints(found.takes, include_extras=True) if named else {}
    typed = {name: _typed(name, value, hints[name]) for name, value in named.items()}
    return msgspec.convert(body | typed, found.takes)


def _typed(name: str, value: str, hint: Any) -> Any:
    """Return what stands in the path as its field's type has it; raises BadField."""
    try:
        return msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError as error:
        raise BadField(name, str(error)) from error


def _request(found: Operation, request: Any, parameters: dict[str, str]) -> str:
    """Return what tells one call from another: the operation, what stands in its path, its body."""
    line = msgspec.json.encode([found.route.handler, sorted(parameters.items())])
    return sha256(line + b"\n" + http.body(request)).hexdigest()


def _object(sent: bytes) -> dict[str, Any]:
    if not sent.strip():
        return {}
    decode.check_json(sent)
    body = msgspec.json.decode(sent)
    if not isinstance(body, dict):
        raise Refused(422, "Unprocessable", "The body must be a JSON object.")
    return body


def _no_second(named: dict[str, str], sent: dict[str, Any]) -> None:
    """What stands in the path stands nowhere else."""
    for name in named:
        if name in sent:
            raise Refused(422, "Unprocessable", f"{name}: it stands in the path already.", name)


def _to_keep(found: Operation, reply: Reply) -> Reply:
    """Return what a second call gets: the same, unless that held a secret or is too large to keep."""
    if found.marks.once:
        return _problem_reply(
            Problem(409, "Conflict", "This was done. Its secret was in the first reply and is kept nowhere.")
        )
    if len(reply.body) > _LARGEST_KEPT:
        return _problem_reply(Problem(409, "Conflict", "This was done. Its reply was too large to be kept."))
    return reply


def _under_way() -> Reply:
    return _problem_reply(Problem(409, "Conflict", "A call with this Idempotency-Key is under way. Ask again."))


def _problem_reply(problem: Problem) -> Reply:
    return Reply(problem.status, _body(problem))


def _body(problem: Problem) -> bytes:
    told = msgspec.structs.asdict(problem)
    return msgspec.json.encode({"type": "about:blank"} | {name: value for name, value in told.items() if value})


def _told(problem: Problem) -> Response:
    return _response(_problem_reply(problem), _JSON)


def _response(reply: Reply, media: str) -> Response:
    is_problem = reply.status >= 400  # noqa: PLR2004 - the first status of an error
    said: dict[str, str | list[str]] = {
        "Content-Type": "application/problem+json"
        if is_problem
        else f"{media}; charset=utf-8"
        if media != _JSON
        else _JSON,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if reply.status == 401:  # noqa: PLR2004
        said["WWW-Authenticate"] = "Bearer"
    return Response(reply.body.decode(), status_code=reply.status, headers=said)
