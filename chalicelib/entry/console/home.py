"""Where a visit of the console begins."""

from chalice import Response

from chalicelib.entry.api.operations import Nothing
from chalicelib.entry.console.house import Visit


def show(visit: Visit) -> Response:
    """Greet whoever came, and name what they may do."""
    return visit.show("home", title="Today", known=visit.call("me.show", Nothing()))
