"""The signed ways in: cases, purchases, failures, acts of staff, documents."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from chalice import Response

from chalicelib.entry import decode, webhooks
from chalicelib.entry.decode import BadInput, Epochs
from chalicelib.entry.desk import Desk, Unavailable
from chalicelib.entry.http import json_reply, problem
from chalicelib.journey.documents import KINDS
from chalicelib.journey.errors import ActRefused, BadDocument
from chalicelib.journey.events import PurchaseMade
from chalicelib.store.documents import DocumentStore
from chalicelib.store.errors import Conflict


class Api:
    """Verifies, decodes, hands in. ``keys`` gives the webhook keys that are valid now."""

    def __init__(
        self,
        desk: Desk,
        epochs: Epochs,
        documents: DocumentStore,
        keys: Callable[[], Sequence[bytes]],
        now: Callable[[], datetime],
    ) -> None:
        """Keep its partners."""
        self._desk = desk
        self._epochs = epochs
        self._documents = documents
        self._keys = keys
        self._now = now

    def case(self, request: Any) -> Response:
        """Take a case that was resolved, reopened or withdrawn."""
        return self._take(request, ("case.resolved", "case.reopened", "case.withdrawn"))

    def purchase(self, request: Any) -> Response:
        """Take a purchase."""
        return self._take(request, ("purchase.made",))

    def failure(self, request: Any) -> Response:
        """Take a remark or a public comment that never was a case."""
        return self._take(request, ("failure.logged",))

    def act(self, request: Any) -> Response:
        """Take an act of staff."""
        return self._take(request, ("staff.acted",))

    def _take(self, request: Any, allowed: tuple[str, ...]) -> Response:
        """Take one signed message: 200 with the journey's id and stage, 202 when it was only kept, or a problem."""
        body: bytes = request.raw_body or b""
        try:
            webhooks.verify(self._keys(), _lower(request.headers), body, self._now())
            event = decode.message(body, self._epochs, allowed)
            handled = self._desk.hand_in(event)
        except webhooks.BadSignature:
            return _unsigned()
        except BadInput as error:
            return problem(422, "Unprocessable", str(error))
        except ActRefused as error:
            return problem(409, "Refused by the playbook", str(error), reason=error.reason)
        except Unavailable:
            return problem(503, "Unavailable", "Nothing was stored. Send it again.")
        if handled is None:
            return json_reply({"stored": "queued"}, 202)
        journey = handled.journey
        if journey is None or isinstance(event, PurchaseMade):
            return json_reply({"person_id": handled.person.id if handled.person else "", "news": handled.news})
        return json_reply({"journey_id": journey.id, "stage": journey.stage.value, "news": handled.news})

    def document(self, request: Any, kind: str) -> Response:
        """Answer with the active document of a kind and the numbers of all its versions."""
        refused = self._refused(request, kind)
        if refused is not None:
            return refused
        active = self._documents.active(kind, self._now())
        raw = self._documents.raw(kind, active)
        return json_reply(
            {"active": active, "versions": self._documents.history(kind), "document": msgspec.Raw(raw)},
        )

    def put_document(self, request: Any, kind: str) -> Response:
        """Store a new version of a document and make it the active one, unless ``?activate=no``."""
        refused = self._refused(request, kind)
        if refused is not None:
            return refused
        params = request.query_params or {}
        by, activate = str(params.get("by", "api"))[:80], params.get("activate") != "no"
        try:
            number = self._documents.put(kind, request.raw_body or b"", self._now(), by=by, activate=activate)
        except BadDocument as error:
            return problem(422, "Unprocessable", str(error))
        except Conflict:
            return problem(409, "Conflict", "Another version was stored at the same time. Read it and try again.")
        return json_reply({"kind": kind, "version": number, "active": activate}, 201)

    def activate_document(self, request: Any, kind: str, number: str) -> Response:
        """Make a stored version, or 0 for the shipped one, the active one."""
        refused = self._refused(request, kind)
        if refused is not None:
            return refused
        try:
            self._documents.activate(kind, int(number) if number.isdecimal() else -1)
        except KeyError as error:
            return problem(404, "Not found", str(error.args[0]))
        except Conflict:
            return problem(409, "Conflict", "Another version was stored at the same time. Read it and try again.")
        return json_reply({"kind": kind, "version": int(number), "active": True})

    def _refused(self, request: Any, kind: str) -> Response | None:
        try:
            webhooks.verify(self._keys(), _lower(request.headers), request.raw_body or b"", self._now())
        except webhooks.BadSignature:
            return _unsigned()
        if kind not in KINDS:
            return problem(404, "Not found", f"There is no document {kind!r}; there are {', '.join(KINDS)}.")
        return None


def _unsigned() -> Response:
    return problem(401, "Unauthorized", "The request is not signed by a key that is known here, or not now.")


def _lower(headers: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in dict(headers or {}).items()}
