"""The figures of a stretch of days: what is read from the cube, and what follows from its counts.

What each figure is, and where its formula comes from, stands in ``docs/figures.md``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Literal

import msgspec

from chalicelib.insight import cube
from chalicelib.insight.statistics import Estimate, mean, promoter_score, share
from chalicelib.store.figures import FigureStore

By = Literal["day", "team", "category", "channel"]
#: Days of one reading: a quarter. A day is a few cells, so this bounds what a page reads, however many journeys.
MOST_DAYS = 93
#: Groups of one reading; the smallest ones beyond are added up under `OTHERS`.
MOST_GROUPS = 100
OTHERS = "(all others)"
#: Megabytes of one shard that a reading may take.
_MOST_PAGES = 4
_SATISFIED, _EASY = range(4, 6), range(5, 8)


class Line(msgspec.Struct, frozen=True):
    """The figures of one day or group, or of all of it."""

    name: str
    journeys: int
    sent: int
    answered: int
    response: Estimate
    csat: Estimate
    csat_mean: Estimate
    csat_after: Estimate
    nps: Estimate
    ces: Estimate
    ces_mean: Estimate
    negatives: int
    recovered: int
    unconfirmed: int
    opened: int
    kept: int
    not_kept: int
    on_time: Estimate


class Asking(msgspec.Struct, frozen=True):
    """One kind of mail: sent, and of these delivered and answered."""

    name: str
    sent: int
    delivered: int
    answered: int
    response: Estimate


class Reason(msgspec.Struct, frozen=True):
    """Mails of a kind that did not go out (``unsent``) or did not arrive (``back``), and why."""

    what: Literal["unsent", "back"]
    kind: str
    reason: str
    number: int


class Step(msgspec.Struct, frozen=True):
    """One step of recoveries, and how much of it was in time."""

    name: str
    on_time: Estimate


class Named(msgspec.Struct, frozen=True):
    """How many of something."""

    name: str
    number: int


class Report(msgspec.Struct, frozen=True):
    """All figures from ``first`` to ``last``: of everything, of each day or group, and in detail."""

    first: date
    last: date
    by: By
    only: str
    total: Line
    lines: tuple[Line, ...]
    mails: tuple[Asking, ...]
    reasons: tuple[Reason, ...]
    steps: tuple[Step, ...]
    opened: tuple[Named, ...]
    outcomes: tuple[Named, ...]


def read(store: FigureStore, first: date, last: date, by: By, only: tuple[str, str] | None = None) -> Report:
    """Return the figures from a day to a day (at most `MOST_DAYS`).

    ``only`` is a dimension and a value of it: then only that value's days. Raises TooMany when there are more groups
    than one page may read.
    """
    dimension = only[0] if only else "all" if by == "day" else by
    generation = store.generations().shown
    groups: dict[str, Counter[str]] = {}
    for day, value, cell in store.read(generation, dimension, first.isoformat(), last.isoformat(), _MOST_PAGES):
        if only is None or value == only[1]:
            groups.setdefault(day if by == "day" else value, Counter()).update(cell)
    if by == "day":
        days = ((first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1))
        groups = {day: groups.get(day, Counter()) for day in days}
    else:
        groups = _largest(groups)
    total: Counter[str] = Counter()
    for group in groups.values():
        total.update(group)
    return Report(
        first=first,
        last=last,
        by=by,
        only=":".join(only) if only else "",
        total=line("all", total),
        lines=tuple(line(name, group) for name, group in groups.items()),
        mails=tuple(_mails(total)),
        reasons=tuple(_reasons(total)),
        steps=tuple(_steps(total)),
        opened=tuple(_named(total, "opened/")),
        outcomes=tuple(_named(total, "outcome/")),
    )


def _largest(groups: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
    """Return the groups, the one with most journeys first, and what is beyond the bound as one."""
    ordered = sorted(groups, key=lambda name: (-groups[name]["begun"], name))
    kept = {name: groups[name] for name in ordered[:MOST_GROUPS]}
    others: Counter[str] = Counter()
    for name in ordered[MOST_GROUPS:]:
        others.update(groups[name])
    return {**kept, OTHERS: others} if others else kept


def line(name: str, counts: Mapping[str, int]) -> Line:
    """Return the figures that follow from counts by measure."""
    number = Counter(counts)
    csat = _scores(counts, "csat", lambda touch: touch == "survey")
    ces = _scores(counts, "ces", _anywhere)
    in_time = sum(_part(counts, "step/", "/on_time").values())
    late = sum(_part(counts, "step/", "/late").values())
    return Line(
        name=name,
        journeys=number["begun"],
        sent=number["sent/survey"],
        answered=number["answered/survey"],
        response=share(number["answered/survey"], number["sent/survey"]),
        csat=_top(csat, _SATISFIED),
        csat_mean=mean(csat),
        csat_after=_top(_scores(counts, "csat", lambda touch: touch != "survey"), _SATISFIED),
        nps=promoter_score(_scores(counts, "nps", _anywhere)),
        ces=_top(ces, _EASY),
        ces_mean=mean(ces),
        negatives=number["negative"],
        recovered=number["recovered"],
        unconfirmed=number["suspect"],
        opened=sum(_part(counts, "opened/").values()),
        kept=number["closed/kept"],
        not_kept=number["closed/not_kept"],
        on_time=share(in_time, in_time + late),
    )


def _part(counts: Mapping[str, int], beginning: str, end: str = "") -> dict[str, int]:
    """Return the measures that begin and end so, by what stands between."""
    return {
        measure[len(beginning) : len(measure) - len(end)]: number
        for measure, number in counts.items()
        if measure.startswith(beginning) and measure.endswith(end)
    }


def _scores(counts: Mapping[str, int], measure: str, asked: Callable[[str], bool]) -> dict[int, int]:
    """Return how often each score of a measure was given, where it was asked in such a touch."""
    found: Counter[int] = Counter()
    for rest, number in _part(counts, "score/").items():
        touch, name, value = rest.rsplit("/", 2)
        if name == measure and asked(touch):
            found[int(value)] += number
    return dict(found)


def _anywhere(touch: str) -> bool:
    """Say yes to every touch."""
    return bool(touch)


def _top(histogram: Mapping[int, int], top: Iterable[int]) -> Estimate:
    return share(sum(histogram.get(score, 0) for score in top), sum(histogram.values()))


def _mails(counts: Mapping[str, int]) -> Iterable[Asking]:
    number = Counter(counts)
    for name, sent in sorted(_part(counts, "sent/").items(), key=lambda one: (-one[1], one[0])):
        delivered, answered = number[f"delivered/{name}"], number[f"answered/{name}"]
        yield Asking(name, sent, delivered, answered, share(answered, sent))


def _reasons(counts: Mapping[str, int]) -> Iterable[Reason]:
    for what in ("unsent", "back"):
        for rest, number in sorted(_part(counts, f"{what}/").items(), key=lambda one: (-one[1], one[0])):
            kind, _, reason = rest.partition("/")
            if number:
                yield Reason(what, kind, reason, number)


def _steps(counts: Mapping[str, int]) -> Iterable[Step]:
    in_time, late = Counter(_part(counts, "step/", "/on_time")), Counter(_part(counts, "step/", "/late"))
    for name in sorted({*in_time, *late}):
        yield Step(name, share(in_time[name], in_time[name] + late[name]))


def _named(counts: Mapping[str, int], beginning: str) -> Iterable[Named]:
    return [Named(name, number) for name, number in sorted(_part(counts, beginning).items()) if number]


def is_dimension(name: str) -> bool:
    """Say whether figures can be narrowed to a value of that."""
    return name in cube.DIMENSIONS
