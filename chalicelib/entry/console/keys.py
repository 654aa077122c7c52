"""The page of API keys."""

from chalice import Response

from chalicelib.entry.api import keys
from chalicelib.entry.console.house import Visit, role_named


def show(visit: Visit) -> Response:
    """List the keys, with the form that makes one."""
    return _page(visit)


def create(visit: Visit) -> Response:
    """Make a key. Its secret is on the page that answers, and nowhere else: so this one form answers with a page."""
    name = visit.fields.get("name", "").strip()
    if not 0 < len(name) <= 80:  # noqa: PLR2004 - as the operation has it
        return _page(visit, error="Say in a few words what the key is for (at most 80 characters).", status=422)
    made = visit.call("keys.create", keys.Wanted(name=name, role=role_named(visit.fields.get("role", ""))))
    return _page(visit, made=made, status=201)


def revoke(visit: Visit) -> Response:
    """Revoke a key."""
    key = visit.call("keys.revoke", keys.Which(key_id=visit.parameters["key_id"]))
    return visit.see("/console/keys", f"The key “{key.name}” is revoked.")


def _page(visit: Visit, *, made: keys.Made | None = None, error: str = "", status: int = 200) -> Response:
    found = visit.call("keys.listing", keys.Asked(cursor=visit.query("cursor")))
    typed = visit.fields if error else {}
    return visit.show(
        "keys", title="API keys", status=status, keys=found.keys, next=found.next, made=made, error=error, typed=typed
    )
