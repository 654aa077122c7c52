"""A visitor at the console of the demo: signed in without the mail, and still signed in when the clock has moved."""

from chalicelib.entry import guard
from chalicelib.entry.guard import SignedIn
from chalicelib.store.access import Session
from local.stack import Reply, Stack


def sign_in(stack: Stack, member_id: str) -> str:
    """Begin a session of a member of staff; returns the cookie to set, or an empty text for one without access."""
    member = stack.wiring.guard.staff().member(member_id)
    return _begin(stack, member.id) if member and member.may != "none" else ""


def still_signed_in(stack: Stack, signed_in: SignedIn, reply: Reply) -> Reply:
    """Let a reply begin the visitor's session anew: days have passed in which they did not go away."""
    return Reply(reply.status, {**reply.headers, "set-cookie": _begin(stack, signed_in.actor.id)}, reply.body)


def _begin(stack: Stack, member_id: str) -> str:
    token, access = guard.new_token(), stack.wiring.access
    access.begin(token, Session(member_id, stack.clock.now, access.epoch(member_id)))
    return guard.set_cookie(token, guard.LONGEST)
