"""The signed ways in: cases, purchases, failures, acts of staff, documents."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
from chalice import Response

from chalicelib.entry import act_form, decode, http, webhooks
from chalicelib.entry.decode import BadInput, Epochs
from chalicelib.entry.desk import OUTSIDE, Desk, Unavailable
from chalicelib.entry.http import json_reply, problem
from chalicelib.journey import documents as kinds
from chalicelib.journey.errors import ActRefused, BadDocument
from chalicelib.journey.events import Event, PurchaseMade, StaffActed
from chalicelib.store.audit import Audit, Entry, audit_id
from chalicelib.store.documents import DocumentStore
from chalicelib.store.errors import Conflict

_VERSION = re.compile(r"[0-9]{1,8}")


class Signed:
    """Verifies, decodes, hands in. ``keys`` gives the webhook keys that are valid now."""

    def __init__(
        self,
        desk: Desk,
        epochs: Epochs,
        documents: DocumentStore,
        keys: Callable[[], Sequence[bytes]],
        now: Callable[[], datetime],
        audit: Callable[[], Audit],
    ) -> None:
        """Keep its partners."""
        self._audit = audit
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
        """Take an act of staff; the audit has it, as it has those of the console."""
        return self._take(request, ("staff.acted",))

    def _take(self, request: Any, allowed: tuple[str, ...]) -> Response:
        """Take one signed message: 200 with the journey's id and stage, 202 when it was only kept, or a problem."""
        return self._signed(request, lambda body: self._hand_in(self._read(body, allowed)))

    def _read(self, body: bytes, allowed: tuple[str, ...]) -> Event:
        return decode.message(body, self._epochs, allowed, self._now())

    def _hand_in(self, event: Event) -> Response:
        handled = self._desk.hand_in(event)
        if isinstance(event, StaffActed) and (handled is None or handled.news):
            self._note_act(event)
        if handled is None:
            return json_reply({"stored": "queued"}, 202)
        journey = handled.journey
        if journey is None or isinstance(event, PurchaseMade):
            return json_reply({"person_id": handled.person.id if handled.person else "", "news": handled.news})
        return json_reply({"journey_id": journey.id, "stage": journey.stage.value, "news": handled.news})

    def document(self, request: Any, kind: str) -> Response:
        """Answer with the active document of a kind and the numbers of all its versions."""
        return self._signed(request, lambda _: self._show(kind), kind)

    def _show(self, kind: str) -> Response:
        active = self._documents.active(kind, self._now())
        raw = self._documents.raw(kind, active)
        versions = self._documents.history(kind)
        return json_reply({"active": active, "versions": versions, "document": msgspec.Raw(raw)})

    def put_document(self, request: Any, kind: str) -> Response:
        """Store a new version of a document and make it the active one, unless ``?activate=no``."""
        by, activate = http.query(request, "by")[:80] or "api", http.query(request, "activate") != "no"
        return self._signed(request, lambda body: self._put(kind, body, by, activate=activate), kind)

    def _put(self, kind: str, body: bytes, by: str, *, activate: bool) -> Response:
        decode.check_json(body)
        # before the audit has it: a document that is refused is no change
        kinds.read(kind, body)
        self._note(by, "signed.put_document", f"document/{kind}")
        number = self._documents.put(kind, body, self._now(), by=by, activate=activate)
        return json_reply({"kind": kind, "version": number, "active": activate}, 201)

    def activate_document(self, request: Any, kind: str, version: str) -> Response:
        """Make a stored version, or 0 for the shipped one, the active one."""
        return self._signed(request, lambda _: self._activate(kind, version), kind)

    def _activate(self, kind: str, number: str) -> Response:
        if not _VERSION.fullmatch(number):
            return problem(404, "Not found", f"{kind} has no version {number[:60]}")
        try:
            self._documents.raw(kind, int(number))
            self._note("api", "signed.activate_document", f"document/{kind}/{int(number)}")
            self._documents.activate(kind, int(number), self._now())
        except KeyError as error:
            return problem(404, "Not found", str(error.args[0]))
        return json_reply({"kind": kind, "version": int(number), "active": True})

    def _note_act(self, event: StaffActed) -> None:
        """Write into the audit what was done; after it was: it is a fact, and not to be lost for want of this."""
        what, about = act_form.verb_of(event), f"journey/{event.journey_id}"
        spent = act_form.spent_by(event)
        with suppress(*OUTSIDE):
            self._audit().add(
                Entry(audit_id(), self._now(), event.by or "api", "signed", what, "signed.act", about, amount=spent)
            )

    def _note(self, by: str, operation: str, about: str) -> None:
        """Write into the audit that a document is about to be changed by whoever holds the key of other systems."""
        self._audit().add(Entry(audit_id(), self._now(), by, "signed", "changed", operation, about))

    def _signed(self, request: Any, reply: Callable[[bytes], Response], kind: str = "") -> Response:
        """Verify, then reply; what was wrong with the request, or with us, becomes a problem."""
        try:
            body = _signed_body(request, self._keys(), self._now())
            if kind and kind not in kinds.KINDS:
                return problem(
                    404, "Not found", f"There is no document {kind[:60]!r}; there are {', '.join(kinds.KINDS)}."
                )
            return reply(body)
        except webhooks.BadSignature:
            return problem(401, "Unauthorized", "The request is not signed by a key that is known here, or not now.")
        except BadDocument as error:
            where = f", line {error.line}" if error.line else ""
            return problem(422, "Unprocessable", f"{error}{where}")
        except BadInput as error:
            return problem(422, "Unprocessable", str(error))
        except ActRefused as error:
            return problem(409, "Refused by the playbook", str(error), reason=error.reason)
        except Conflict:
            return problem(409, "Conflict", "Somebody else was faster, and nothing was stored. Look, then try again.")
        except (Unavailable, *OUTSIDE):
            return problem(503, "Unavailable", "Nothing was stored. Send it again.")


def _signed_body(request: Any, keys: Sequence[bytes], now: datetime) -> bytes:
    """Return the body of a request that one of the keys signed; raises BadSignature."""
    try:
        body = http.body(request)
    except ValueError as error:
        raise webhooks.BadSignature from error
    webhooks.verify(keys, _lower(request.headers), body, now)
    return body


def _lower(headers: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in dict(headers or {}).items()}
