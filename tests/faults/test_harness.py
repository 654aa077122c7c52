"""The harness tests itself: each of these bugs, sown into the product, is found by the sweep."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from chalicelib.effects import mail
from chalicelib.effects.alarm import Alarms
from chalicelib.effects.mail import Mailer, sent
from chalicelib.effects.perform import Effects
from chalicelib.effects.queue import Queues
from chalicelib.entry import feedback
from chalicelib.entry.desk import Desk
from chalicelib.entry.pages import answers, proposals
from chalicelib.journey import budget, machine
from chalicelib.journey.effects import SetAlarm, TellOthers
from chalicelib.journey.state import Touch
from chalicelib.pipeline import Worker
from chalicelib.store.cases import CaseEpochs
from chalicelib.store.table import Table
from tests.faults.stories import clean, named, plans, wrong
from tests.faults.world import WAYS

GRACE = timedelta(minutes=15)


def _send_before_claim(patch):
    _sending(patch, first="send")


def _mark_sent_before_sending(patch):
    _sending(patch, first="mark")


def _sending(patch, first):
    """Send a touch with everything that it takes, but in a wrong order."""

    def claim_and_send(self, owed, touch, journey, person, documents):
        now = self._now()
        body, envelope = self._letters.to_customer(touch, journey.value, person.value, documents, now)
        wire = self._service.write(body, envelope)
        self._archive.keep(journey.value.id, touch.id, now, wire["Content"]["Raw"]["Data"])
        message_id = self._service.post(wire) if first == "send" else "unknown"
        after = budget.spend(person.value, touch, journey.value, now)
        claimed = self._table.claim(owed, journey, person, after, now, now + GRACE)
        self._handle(sent(journey.value.id, touch, message_id, now), claimed)
        if first == "mark":
            self._service.post(wire)

    patch.setattr(Mailer, "_claim_and_send", claim_and_send)


def _claim_for_no_time(patch):
    """No grace time: the next round of the reconciler sends what may have been sent."""
    patch.setattr(mail, "clock", SimpleNamespace(elapsed=lambda text: timedelta()))


def _never_look_at_a_claim_again(patch):
    patch.setattr(Mailer, "_reconcile", lambda self, owed, give_up=None: None)


def _settle_before_telling(patch):
    perform = Effects.perform

    def settle_first(self, owed):
        if isinstance(owed.effect, TellOthers):
            self._table.settle(owed)
        perform(self, owed)

    patch.setattr(Effects, "perform", settle_first)


def _settle_a_notice_before_sending(patch):
    def send_notice(self, claimed, wire, now, limits):
        self._table.settle(claimed)
        self._service.post(wire)

    patch.setattr(Mailer, "_send_notice", send_notice)


def _owe_nothing_in_the_table(patch):
    """What is owed lives in memory only: the commit does not write it down."""
    transact = Table._transact  # noqa: SLF001 - a bug is sown where it would be made

    def without_effects(self, name, actions, meanings, settles=None):
        if name == "commit":
            actions = [
                action for action in actions if "EFFECT#" not in str(action.get("Put", {}).get("Item", {}).get("sk"))
            ]
        transact(self, name, actions, meanings, settles)

    patch.setattr(Table, "_transact", without_effects)


def _set_no_second_alarm(patch):
    """The alarm is set when the journey begins, and never moved."""
    settle_wake = machine._settle_wake  # noqa: SLF001

    def only_once(turn, before):
        settle_wake(turn, before)
        if before is not None:
            turn.effects = {key: effect for key, effect in turn.effects.items() if not isinstance(effect, SetAlarm)}

    patch.setattr(machine, "_settle_wake", only_once)


def _never_remove_or_move_an_alarm(patch):
    patch.setattr(Alarms, "_update", lambda self, schedule: None)


def _no_reconciler(patch):
    patch.setattr(Worker, "reconcile", lambda self, now, limit=25: 0)


def _lose_every_wake(patch):
    patch.setattr(Queues, "wake", lambda self, pk: None)


def _lose_every_wake_and_reconcile_nothing(patch):
    _lose_every_wake(patch)
    _no_reconciler(patch)


def _check_no_duplicates(patch):
    put = Table._put  # noqa: SLF001
    patch.setattr(Table, "_put", lambda self, item, condition: put(self, item, "attribute_not_exists(nothing)"))


def _ignore_that_a_mail_went_out(patch):
    """Two things keep a mail from going twice, its SEND event and a look at the touch: this takes both away."""
    event, try_touch = feedback._event, Mailer._try_touch  # noqa: SLF001

    def all_but_sent(detail, journey_id, touch_id):
        return None if detail.event_type == "Send" else event(detail, journey_id, touch_id)

    def blindly(self, owed, effect):
        with pytest.MonkeyPatch.context() as blind:
            blind.setattr(Touch, "went_out", property(lambda self: False))
            try_touch(self, owed, effect)

    patch.setattr(feedback, "_event", all_but_sent)
    patch.setattr(Mailer, "_try_touch", blindly)


def _ignore_the_send_event_of_notices(patch):
    patch.setattr(feedback, "_settle_notice", lambda detail, journey_id, key, worker: None)


def _say_received_and_keep_nothing(patch):
    patch.setattr(Desk, "keep", lambda self, event: None)


def _name_each_press_anew(patch):
    names = iter(f"{number:032x}" for number in range(1_000_000))
    for page in (answers, proposals):
        patch.setattr(page, "identity", lambda *said: next(names))


def _number_every_resolution_anew(patch):
    def resolved(self, source, case_id, resolved_at, epoch=None):
        epochs, count = self._read(source, case_id)
        number = max(epochs, default=0) + 1
        self._keep(source, case_id, epochs | {number: resolved_at.isoformat()}, before=count)
        return number

    patch.setattr(CaseEpochs, "resolved", resolved)


class Bug(NamedTuple):
    """A bug, the story in which it shows, and the crossings at which a fault brings it out (none: without any)."""

    sow: Callable[[pytest.MonkeyPatch], None]
    story: str
    crossings: tuple[str, ...] = ()


BUGS = (
    Bug(_send_before_claim, "survey", ("send-mail", "claim")),
    Bug(_mark_sent_before_sending, "survey", ("send-mail", "commit")),
    Bug(_claim_for_no_time, "survey", ("send-mail", "commit")),
    Bug(_never_look_at_a_claim_again, "one-click", ("claim", "send-mail")),
    Bug(_settle_before_telling, "opt-out", ("commit", "settle")),
    Bug(_settle_a_notice_before_sending, "recovery", ("send-mail", "settle")),
    Bug(_owe_nothing_in_the_table, "one-click"),
    Bug(_set_no_second_alarm, "survey"),
    Bug(_never_remove_or_move_an_alarm, "recovery"),
    Bug(_no_reconciler, "one-click", ("commit", "wake", "set-alarm")),
    Bug(_lose_every_wake, "recovery"),
    Bug(_lose_every_wake_and_reconcile_nothing, "one-click"),
    Bug(_check_no_duplicates, "survey", ("commit",)),
    Bug(_ignore_that_a_mail_went_out, "survey", ("send-mail",)),
    Bug(_ignore_the_send_event_of_notices, "recovery", ("send-mail",)),
    Bug(_say_received_and_keep_nothing, "one-click", ("commit",)),
    Bug(_name_each_press_anew, "survey", ("commit", "wake")),
    Bug(_number_every_resolution_anew, "survey", ("epoch", "commit")),
)


def _reduced(bug):
    """Yield the plans on which this bug is looked for: none at all, then those of its crossings."""
    yield {}
    names = clean(bug.story).boundary.names
    yield from (plan for plan in plans(bug.story, WAYS) if names[next(iter(plan))] in bug.crossings)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.sow.__name__.strip("_"))
def test_a_bug_that_is_sown_is_found(bug, monkeypatch):
    searched = list(_reduced(bug))  # before it is sown: what the plans name is the sound product
    bug.sow(monkeypatch)
    found = next((plan for plan in searched if wrong(bug.story, plan)), None)
    assert found is not None
    assert (found == {}) is (bug.crossings == ()), f"found by {named(bug.story, found) or 'no fault at all'}"
