"""Whatever came once comes again, as late as any service repeats itself, and a month later: it changes nothing."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.entry.queues import Consumer, bodies
from tests.faults.stories import STORIES, clean, left_over
from tests.faults.world import DAY, HOUR, MINUTE, World

#: Just beyond the windows in which services recognise a repetition (five and ten minutes, a day), and long after.
DELAYS = (6 * MINUTE, 11 * MINUTE, 25 * HOUR, 31 * DAY)
QUEUES = ("inbox", "work", "alarms", "feedback")


class Echo:
    """Repeats every request that changes something, and every message of every queue, once, after some time."""

    def __init__(self, world: World, delay: timedelta, patch: pytest.MonkeyPatch, only: int | None = None) -> None:
        self.world, self.delay, self.only = world, delay, only
        #: What came, in order.
        self.heard: list[str] = []
        #: How often each thing was repeated and has not been heard again yet.
        self._under_way: Counter[str] = Counter()
        self._hear_requests(patch)
        for queue in QUEUES:
            self._hear_messages(queue, patch)

    def _hear_requests(self, patch) -> None:
        stack, submit, signed = self.world.stack, self.world.stack.submit, self.world.stack.signed

        def heard(call):
            def hear(*args):
                again = lambda: self._answered(call(*args).status)  # noqa: E731
                self._hear(" ".join(map(str, args)), again)
                return call(*args)

            return hear

        patch.setattr(stack, "submit", heard(submit))
        # signed anew at that time, with the same content: as a redelivery is
        patch.setattr(stack, "signed", heard(signed))

    def _answered(self, status: int) -> None:
        # A page is good for a day: after that its form is shown again, with what was entered, and nothing is taken.
        shown_again = self.delay > DAY and status == 422
        assert status == 200 or shown_again, status

    def _hear_messages(self, queue: str, patch) -> None:
        take = getattr(Consumer, queue)
        send, url = self.world.stack.account.sqs.send_message, self.world.url(queue)

        def hear(consumer, records):
            for body in bodies(records):
                self._hear(f"{queue} {body}", lambda: send(QueueUrl=url, MessageBody=body))  # noqa: B023 - at once
            take(consumer, records)

        patch.setattr(Consumer, queue, hear)

    def _hear(self, what: str, again: Callable[[], object]) -> None:
        """Plan the repetition of what is heard, unless it is one."""
        if self._under_way[what]:
            self._under_way[what] -= 1
            return
        self.heard.append(what)
        if self.only in {None, len(self.heard) - 1}:
            self.world.later(self.delay, lambda: self._repeat(what, again))

    def _repeat(self, what: str, again: Callable[[], object]) -> None:
        if what.startswith(QUEUES):
            self._under_way[what] += 1
        again()


def _echoed(story, delay, patch, only=None):
    with patch.context() as sown:
        world = World({})
        echo = Echo(world, delay, sown, only)
        STORIES[story].play(world)
        world.live()
    return world, echo


def _wrong(world, story):
    told = [] if world.ending() == clean(story).ending() else [world.ending()]
    return [*told, *world.doubled(), *left_over(world), *world.stack.failures]


@pytest.mark.parametrize("delay", DELAYS, ids=str)
@pytest.mark.parametrize("story", STORIES)
def test_a_story_of_which_everything_comes_twice_is_the_same_story(story, delay, monkeypatch):
    world, echo = _echoed(story, delay, monkeypatch)
    assert len(echo.heard) >= STORIES[story].crossings // 3
    assert _wrong(world, story) == []
    assert world.mailed() == clean(story).mailed()


@pytest.mark.parametrize("delay", DELAYS, ids=str)
@pytest.mark.parametrize("story", ["survey", "one-click"])
def test_a_story_of_which_one_thing_comes_twice_is_the_same_story(story, delay, monkeypatch):
    _, first = _echoed(story, delay, monkeypatch)
    found = {}
    for number, what in enumerate(first.heard):
        world, _ = _echoed(story, delay, monkeypatch, only=number)
        found[what] = _wrong(world, story)
    assert {what: problems for what, problems in found.items() if problems} == {}
