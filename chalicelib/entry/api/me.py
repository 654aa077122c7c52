"""Oneself: who is calling, and signing out everywhere."""

import msgspec

from chalicelib.entry.api.operations import Context, Nothing, operation
from chalicelib.entry.routes import Role


class Me(msgspec.Struct, frozen=True):
    """Who is calling: a member of staff, or an API key (``key/<id>``)."""

    id: str
    name: str
    role: Role


@operation()
def show(context: Context, asked: Nothing) -> Me:
    """Say who is calling, and with which role."""
    del asked
    return Me(context.actor.id, context.actor.name, context.actor.role)


@operation(audit="changed", about="sessions", status=204)
def sign_out(context: Context, asked: Nothing) -> Nothing:
    """Sign out everywhere: every session of the caller ends."""
    context.at.access.end_all(context.actor.id)
    return asked
