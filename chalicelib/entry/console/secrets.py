"""The page of the secrets with which other systems sign."""

from chalice import Response

from chalicelib.entry.api import secrets
from chalicelib.entry.api.operations import Nothing
from chalicelib.entry.console.house import Visit


def show(visit: Visit) -> Response:
    """List the secrets that hold."""
    return _page(visit, None)


def add(visit: Visit) -> Response:
    """Make one. It is on the page that answers and nowhere else: so this form answers with a page."""
    return _page(visit, visit.call("secrets.add", Nothing()))


def retire(visit: Visit) -> Response:
    """Retire one."""
    visit.call("secrets.retire", secrets.Which(visit.fields.get("fingerprint", "")))
    return visit.see("/console/secrets", "The secret is retired: within a minute nothing signed with it is taken.")


def _page(visit: Visit, made: secrets.Made | None) -> Response:
    found = visit.call("secrets.listing", Nothing())
    status = 201 if made else 200
    return visit.show("secrets", title="Signing secrets", status=status, secrets=found.secrets, made=made)
