"""Lists in pages: a bounded number at once, and an opaque token that says where the next page begins.

The token is sealed with the key of links, for the list that it came from: nobody can point it at anything else.
"""

from typing import Annotated

import msgspec

from chalicelib.entry.api.operations import Context
from chalicelib.entry.api.problems import BadField
from chalicelib.links import BadLink

MOST = 200
Limit = Annotated[int, msgspec.Meta(ge=1, le=MOST, description="How many at most on one page.")]
Cursor = Annotated[
    str, msgspec.Meta(max_length=2000, description="Where the page begins: `next` of the page before, or nothing.")
]


def begins(context: Context, scope: str, cursor: str) -> str:
    """Return where a page begins, or an empty text for the first; raises BadField for a token of another list."""
    if not cursor:
        return ""
    try:
        return context.at.links.unseal(scope, cursor)
    except BadLink as error:
        raise BadField("cursor", "this was not given with the page before") from error


def follows(context: Context, scope: str, last: str) -> str:
    """Return the token of the page after ``last``, or an empty text when there is none."""
    return context.at.links.seal(scope, last) if last else ""
