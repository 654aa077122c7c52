"""A lazy stack passes over the reconciler's idle rounds: all that can be seen of it is that it is faster."""

import pytest

from tests.faults.stories import lived
from tests.faults.world import DIE_AFTER, DIE_BEFORE, TIME_OUT_BEFORE

_COUNTED = ("dynamodb.Query", "dynamodb.TransactWriteItems", "sesv2.SendEmail", "scheduler.CreateSchedule")


def _seen(world):
    calls, units = world.stack.account.calls, world.stack.account.units["dynamodb.read"]
    mails = [(mail.to, mail.kind, mail.sent_at) for mail in world.mails]
    return world.boundary.names, mails, world.ending(), {name: calls[name] for name in _COUNTED}, units


@pytest.mark.parametrize(
    "faults", [{}, {2: DIE_BEFORE}, {7: DIE_AFTER}, {7: TIME_OUT_BEFORE}, {3: DIE_BEFORE, 11: TIME_OUT_BEFORE}]
)
def test_a_lazy_stack_does_and_costs_what_one_does_that_runs_every_round(faults):
    lazy, eager = lived("one-click", faults), lived("one-click", faults, lazy=False)
    # both must have lived equally long to have paid for as many rounds
    until = max(lazy.now, eager.now)
    lazy.stack.run_until(until)
    eager.stack.run_until(until)
    assert _seen(lazy) == _seen(eager)
