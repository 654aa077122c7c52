"""The page of the figures: how many were asked and answered, how content they are, what was put right."""

from datetime import date
from typing import get_args

import msgspec
from chalice import Response

from chalicelib.entry.api.figures import Asked
from chalicelib.entry.api.operations import Nothing
from chalicelib.entry.api.problems import BadField, Refused, in_words
from chalicelib.entry.console.house import Visit
from chalicelib.insight import charts
from chalicelib.insight.figures import By, Report
from chalicelib.insight.statistics import FEW, Estimate
from chalicelib.journey.budget import REASONS

#: Title, what it says, and the figure: what the page draws by day.
_DRAWN = (
    ("Response", "Share of the surveys sent on a day that were answered", "response", 0, 1, "%"),
    ("Satisfied (CSAT)", "Share of answers to the survey that are 4 or 5 of 5", "csat", 0, 1, "%"),
    ("Recommend (NPS)", "Share of nines and tens less share of zero to six", "nps", -100, 100, ""),
    ("Recovery steps on time", "Share of the steps of recoveries that were done by their time", "on_time", 0, 1, "%"),
)


def show(visit: Visit) -> Response:
    """Show the figures; a question that cannot be answered is shown again with what is wrong."""
    typed = {name: visit.query(name).strip() for name in ("first", "last", "by", "only")}
    errors: dict[str, str] = {}
    asked = _asked(typed, errors)
    try:
        report = visit.call("figures.show", asked)
    except BadField as error:
        errors[error.problem.field] = in_words(error.problem)
        report = visit.call("figures.show", Asked())
    return visit.show(
        "figures",
        title="Figures",
        status=422 if errors else 200,
        report=report,
        state=visit.call("figures.state", Nothing()),
        drawings=_drawings(report) if report.by == "day" else [],
        typed={**typed, "by": report.by},
        errors=errors,
        few=FEW,
        figure=figure,
        mark=charts.mark,
        reasons=REASONS,
    )


def export(visit: Visit) -> Response:
    """Give the figures as a file."""
    errors: dict[str, str] = {}
    asked = _asked({name: visit.query(name).strip() for name in ("first", "last", "by", "only")}, errors)
    if errors:
        raise Refused(422, "Unprocessable", " ".join(errors.values()))
    content = visit.call("figures.export", asked)
    return visit.file(f"figures-by-{asked.by}.csv", "text/csv", content)


def rebuild(visit: Visit) -> Response:
    """Have the figures added up anew."""
    visit.call("figures.rebuild", Nothing())
    return visit.see("/console/figures", "The figures are being added up anew. They stay as they are until it is done.")


def _asked(typed: dict[str, str], errors: dict[str, str]) -> Asked:
    """Return what the form asks for; what is no day or no grouping stands in ``errors`` and is left out."""
    asked = Asked()
    for name in ("first", "last"):
        if typed[name]:
            try:
                asked = msgspec.structs.replace(asked, **{name: date.fromisoformat(typed[name])})
            except ValueError:
                errors[name] = "Please give a day as 2026-12-31."
    if typed["by"] in get_args(By):
        asked = msgspec.structs.replace(asked, by=typed["by"])
    return msgspec.structs.replace(asked, only=typed["only"][:80])


def _drawings(report: Report) -> list[dict[str, object]]:
    """Return what is drawn by day: surveys as columns, and each figure of which there is anything to draw."""
    asked = charts.columns([(line.name, line.sent, line.answered) for line in report.lines])
    drawn: list[dict[str, object]] = []
    if report.total.sent:
        drawn.append({"title": "Surveys", "about": "Surveys sent on a day, and how many were answered", "of": asked})
    for title, about, name, low, high, unit in _DRAWN:
        if getattr(report.total, name).n:
            days = [(line.name, getattr(line, name)) for line in report.lines]
            drawn.append({"title": title, "about": about, "of": charts.points(days, low, high, unit)})
    return drawn


def figure(estimate: Estimate, kind: str = "share") -> str:
    """Return an estimate as people read it: ``82% (74 to 88)``; a share, a ``score``, or a ``mean``."""
    if estimate.value is None:
        return "–"
    factor, digits, unit = {"share": (100, 0, "%"), "score": (1, 0, ""), "mean": (1, 2, "")}[kind]
    value = f"{_number(factor * estimate.value, digits)}{unit}"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ({_number(factor * estimate.low, digits)} to {_number(factor * estimate.high, digits)})"


def _number(value: float, digits: int) -> str:
    """Return a number with a true minus, and without one before a zero."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")
