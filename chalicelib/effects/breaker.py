"""The breaker: asks and news stop by themselves when too many mails come back or are marked as spam.

Responses, notices to staff and sign-in mails go on. What is held waits within its latest useful time. The breaker
closes by itself when the window is clean again, or when a lead forgives what has been (``breaker.judge_since`` in the
settings).
"""

from datetime import datetime, timedelta

from chalicelib.effects.announce import Announcer
from chalicelib.journey import budget, clock
from chalicelib.journey.breaker import Tally, judge
from chalicelib.journey.documents import BreakerRules, Documents
from chalicelib.journey.state import Touch
from chalicelib.store.counters import Counters

#: How old a count may be by which a worker judges.
_COUNT_FOR = timedelta(seconds=60)
_NAME = "breaker"


class Breaker:
    """Judges by the counters, read at most once a minute in each worker."""

    def __init__(self, counters: Counters, announcer: Announcer) -> None:
        """Keep the counters, and who tells people."""
        self._counters = counters
        self._announcer = announcer
        self._counted: tuple[datetime, BreakerRules, Tally] | None = None

    def weigh(self, touch: Touch, journey_id: str, documents: Documents, now: datetime) -> budget.Verdict:
        """Say whether this touch may go as far as the breaker is concerned."""
        if touch.klass == "response":
            return budget.Send()
        rules = documents.settings.breaker
        tally = self._tally(rules, now)
        why = judge(tally, rules)
        if not why:
            return budget.Send()
        self._announcer.held(journey_id, f"breaker: {why}", now)
        about = (
            f"{_counted(tally.bounced, 'bounce')} and {_counted(tally.complained, 'complaint')}"
            f" among {_counted(tally.sent, 'mail')}"
        )
        self._announcer.once(_NAME, "breaker_open", about, journey_id, documents, now)
        return budget.hold(touch, now + clock.elapsed(rules.look_again), "breaker")

    def _tally(self, rules: BreakerRules, now: datetime) -> Tally:
        known = self._counted
        if known is None or known[1] != rules or not known[0] <= now < known[0] + _COUNT_FOR:
            known = (now, rules, self._read(rules, now))
            self._counted = known
        return known[2]

    def _read(self, rules: BreakerRules, now: datetime) -> Tally:
        since = now - clock.elapsed(rules.window)
        if rules.judge_since is not None:
            # A lead's word counts from the next full hour on, for that is how mails are counted.
            since = max(since, rules.judge_since + timedelta(hours=1))
        tally = self._counters.tally(since)
        if not judge(tally, rules):
            self._close(rules, now)
        return tally

    def _close(self, rules: BreakerRules, now: datetime) -> None:
        """The next opening is news again; a share that wavers about its limit is not, so it is told once an hour."""
        opened = self._counters.announced(_NAME)
        if opened is not None and now >= opened + clock.elapsed(rules.look_again):
            self._counters.withdraw(_NAME)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
