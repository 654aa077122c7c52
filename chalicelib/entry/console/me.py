"""Oneself: role, sessions, shortcuts."""

from chalice import Response

from chalicelib.entry.api.operations import Nothing
from chalicelib.entry.console.house import Visit


def show(visit: Visit) -> Response:
    """Show who is signed in, and how to sign out everywhere."""
    return visit.show("me", title="You", known=visit.call("me.show", Nothing()))


def sign_out_everywhere(visit: Visit) -> Response:
    """End every session of whoever asks, this one too."""
    visit.call("me.sign_out", Nothing())
    return visit.see("/console/sign-in", "You are signed out everywhere.")
