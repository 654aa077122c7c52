"""When loyalty is confirmed, and what may be said of a person until then.

Confirmed means attitude and behaviour and no new failure, all three with their dates. Silence is never loyalty.
"""

from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

import msgspec

from chalicelib.journey import clock
from chalicelib.journey.documents import Documents
from chalicelib.journey.state import Answer, Journey, Person, Purchase, Standing, Touch

#: Gaps between purchases that must be known before they are called a rhythm.
_MIN_GAPS = 2
#: Purchases kept on a person: enough for a rhythm, and the record never grows beyond them.
PURCHASES_KEPT = 30
_OFTEN = timedelta(days=30)


class Rhythm(msgspec.Struct, frozen=True):
    """The time between a person's purchases: its median and its 80th percentile."""

    median: timedelta
    p80: timedelta


def rhythm(purchases: tuple[Purchase, ...]) -> Rhythm | None:
    """Return the rhythm of buying, or None with fewer than two gaps. The percentile is the nearest rank."""
    days = sorted({purchase.at for purchase in purchases})
    gaps = sorted(later - earlier for earlier, later in pairwise(days))
    if len(gaps) < _MIN_GAPS:
        return None
    nearest_rank = -(-len(gaps) * 4 // 5)
    return Rhythm(median=timedelta(seconds=median(gap.total_seconds() for gap in gaps)), p80=gaps[nearest_rank - 1])


def clamp(length: timedelta, bounds: tuple[str, str] | None) -> timedelta:
    """Return the length, kept within the bounds if there are any."""
    if bounds is None:
        return length
    low, high = (clock.elapsed(bound) for bound in bounds)
    return min(max(length, low), high)


def within(person: Person, documents: Documents) -> timedelta:
    """Return how long after the anchor a purchase counts as coming back."""
    rule = documents.cadence.loyalty
    known = rhythm(person.purchases)
    return clock.elapsed(rule.within_unknown) if known is None else clamp(known.p80, rule.within_clamp)


def add_purchase(person: Person, purchase: Purchase) -> Person:
    """Return the person with that purchase, oldest forgotten beyond `PURCHASES_KEPT`."""
    kept = sorted((*person.purchases, purchase), key=lambda one: one.at)[-PURCHASES_KEPT:]
    return msgspec.structs.replace(person, purchases=tuple(kept))


def confirmed(journey: Journey, person: Person, documents: Documents, now: datetime) -> tuple[str, ...] | None:
    """Return the dated facts that confirm loyalty, or None while any of the three is missing."""
    if journey.anchor is None:
        return None
    attitude = _attitude(journey, documents)
    behaviour = _behaviour(journey, person, documents, now)
    clean = not any(failed_at > journey.anchor for _, failed_at in person.failures)
    if attitude is None or behaviour is None or not clean:
        return None
    return (*attitude, *behaviour, f"no new failure since {journey.anchor:%Y-%m-%d}")


def _attitude(journey: Journey, documents: Documents) -> tuple[str, ...] | None:
    """Satisfied with the recovery (or the service), and would recommend or come back, measured late enough."""
    rule = documents.cadence.loyalty
    recovered = journey.track == "after_recovery"
    satisfied = _latest(journey, "csat", check_in=recovered)
    would = [found for measure in ("nps", "come_back") if (found := _latest(journey, measure, check_in=True))]
    if satisfied is None or satisfied.scores["csat"] < rule.csat_min or journey.anchor is None:
        return None
    at_least = {"nps": rule.nps_min, "come_back": rule.come_back_min}
    not_before = journey.anchor + clock.elapsed(rule.measured_at_least)
    for answer in would:
        for measure, least in at_least.items():
            if answer.scores.get(measure, -1) >= least and answer.at >= not_before:
                return (_dated(satisfied, "csat"), _dated(answer, measure))
    return None


def _latest(journey: Journey, measure: str, *, check_in: bool) -> Answer | None:
    """Return the newest confirmed first answer to that measure: of this track's check-ins, or of the survey."""
    kinds = {touch.id: touch for touch in journey.touches}
    found = [
        answer
        for answer in journey.answers
        if answer.counts
        and measure in answer.scores
        and _belongs(kinds.get(answer.touch_id), journey, check_in=check_in)
    ]
    return max(found, key=lambda answer: answer.at, default=None)


def _belongs(touch: Touch | None, journey: Journey, *, check_in: bool) -> bool:
    if touch is None:
        return False
    if not check_in:
        return touch.kind == "survey"
    last = journey.recoveries[-1].number if journey.recoveries else 0
    return touch.kind == "check-in" and touch.recovery == last


def _dated(answer: Answer, measure: str) -> str:
    return f"{measure} {answer.scores[measure]} on {answer.at:%Y-%m-%d}"


def _behaviour(journey: Journey, person: Person, documents: Documents, now: datetime) -> tuple[str, ...] | None:
    """Enough paid purchases between the anchor and the end of the watch."""
    rule = documents.cadence.loyalty
    known = rhythm(person.purchases)
    often = known is not None and known.median < _OFTEN
    needed = rule.paid_purchases_min_if_median_ipt_under_30d if often else rule.paid_purchases_min
    if journey.anchor is None:
        return None
    until = min(now, journey.watch_until or now)
    bought = [one.at for one in person.purchases if one.paid and journey.anchor < one.at <= until]
    if len(bought) < needed:
        return None
    return tuple(f"bought on {at:%Y-%m-%d}" for at in bought[:needed])


def standing(person: Person, state: str, now: datetime, facts: tuple[str, ...], expires: str | None = None) -> Person:
    """Return the person with that loyalty state, the facts that set it, and when it is worth nothing any more."""
    set_to = Standing(
        state=state,  # type: ignore[arg-type]  # callers pass literals; the decoder checks what is stored
        since=now,
        facts=facts,
        expires_at=now + clock.elapsed(expires) if expires else None,
    )
    return msgspec.structs.replace(person, loyalty=set_to)
