"""A customer opts out, or their address is suppressed, at any step of a sending: from the commit on nothing is claimed.

What was claimed before is with the mail service within the same breath, and is the one mail that may still arrive.
"""

from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from chalicelib.journey.state import Suppression
from chalicelib.links import Link
from tests.faults.stories import PAT
from tests.faults.world import DAY, START, World


def _opts_out(world: World) -> None:
    token = world.stack.wiring.links.token(Link("opt_out", world.journeys["lamp"], "survey"))
    reply = world.stack.submit(f"/o/{token}", urlencode({"List-Unsubscribe": "One-Click"}))
    assert reply.status == 200, reply.body


def _is_suppressed(world: World) -> None:
    """Somebody else's mail to the same address came back meanwhile."""
    world.table.suppress(Suppression(email=PAT["email"], reason="hard_bounce", at=world.now))


def _lived(step: int | None, silenced: Callable[[World], None] = _opts_out) -> tuple[World, list[str]]:
    """Return the world after two surveys of one customer, and the calls of the function that sent the first.

    Before the call of that number the customer is silenced.
    """
    world, calls, busy = World({}), [], []
    world.resolve("lamp", PAT)

    def meanwhile(service, operation, params):
        if world.stack.running != "on_alarms" or world.now < START + DAY or world.mails or busy:
            return
        if len(calls) == step:
            busy.append(True)
            silenced(world)
            busy.clear()
        calls.append(f"{operation} {_what(params)}".strip())

    world.stack.account.on_call = meanwhile
    world.live(START + 3 * DAY)
    world.stack.account.on_call = None
    world.resolve("desk", PAT)
    world.live()
    return world, calls


def _what(params):
    """Say whether a transaction claims a mail."""
    return "claim" if "claimed" in repr(params.get("TransactItems", ())) else ""


def test_who_is_silenced_before_the_claim_gets_no_mail_whatever_the_sender_has_read_by_then():
    calls = _lived(None)[1]
    claim = calls.index("TransactWriteItems claim")
    assert claim > 10, "it reads before it claims"
    for silenced in (_opts_out, _is_suppressed):
        for step in range(claim + 1):
            world, _ = _lived(step, silenced)
            assert ([mail.to for mail in world.mails], world.stack.failures) == ([], []), (silenced, calls[step])
            touches = {name: journey["touches"]["survey"] for name, journey in world.ending()["journeys"].items()}
            reason = "not sent opted_out" if silenced is _opts_out else "not sent hard_bounce"
            assert touches == {"lamp": reason, "desk": reason}, calls[step]


@pytest.mark.parametrize("silenced", [_opts_out, _is_suppressed], ids=["opts out", "is suppressed"])
def test_what_was_claimed_before_is_the_last_mail(silenced):
    calls = _lived(None)[1]
    for step in range(calls.index("TransactWriteItems claim") + 1, len(calls)):
        world, _ = _lived(step, silenced)
        assert [mail.effect for mail in world.mails] == ["survey"], calls[step]
        assert world.unfinished() == []
