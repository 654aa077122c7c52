"""A lazy stack passes over the reconciler's idle rounds: all that can be seen of it is that it is faster."""

import pytest

from local.stack import Stack
from tests.faults.stories import PAT
from tests.faults.world import DAY, DIE_AFTER, DIE_BEFORE, START, TIME_OUT_AFTER, TIME_OUT_BEFORE, Boundary


def _seen(faults, *, lazy):
    """Resolve a case, tell of it until it is taken, and let eight days pass."""
    boundary = Boundary(faults)
    stack = Stack(START, boundary=boundary, lazy=lazy)
    told = {"source": "desk", "case_id": "lamp", "resolved_at": START.isoformat(), "customer": PAT}
    while stack.tell("/cases", "case.resolved", told).status >= 500:
        pass
    stack.run_until(START + 8 * DAY)
    mails = [(mail.tags, mail.sent_at) for mail in stack.account.ses.sent]
    counted = {"calls": dict(stack.account.calls), "units": dict(stack.account.units)}
    return {"boundaries": boundary.names, "mails": mails, "failures": stack.failures, **counted, "now": stack.clock.now}


@pytest.mark.parametrize(
    "faults",
    [
        {},
        {1: DIE_BEFORE},
        {2: DIE_BEFORE},
        {6: DIE_AFTER},
        {7: TIME_OUT_BEFORE},
        {7: DIE_AFTER, 8: DIE_BEFORE},
        {3: DIE_BEFORE, 9: TIME_OUT_BEFORE, 14: TIME_OUT_AFTER},
    ],
)
def test_a_lazy_stack_does_and_costs_what_one_does_that_runs_every_round(faults):
    assert _seen(faults, lazy=True) == _seen(faults, lazy=False)
