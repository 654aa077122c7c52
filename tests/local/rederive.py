"""Says by itself, from the files and the shipped cadence alone, what should have been sent to simple customers when.

It shares no code with the product: where the two agree, they agree about the rules. Simple are customers with one
resolution that was never reopened, who were content with it or never answered.
"""

import csv
import json
import math
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

ROOT = Path(__file__).parents[2]
CADENCE = json.loads((ROOT / "chalicelib/defaults/cadence.json").read_text("utf-8"))
DAY = timedelta(days=1)
CONTENT = 3
LOYAL = 4


def days(text):
    """``P14D`` and ``PT24H``: all that the shipped cadence uses."""
    return timedelta(hours=int(text[2:-1])) if text.startswith("PT") else timedelta(days=int(text[1:-1]))


def waking(instant, zone):
    """From nine to six where the customer lives."""
    local = instant.astimezone(ZoneInfo(zone))
    if 9 <= local.hour < 18:
        return instant
    day = local.date() if local.hour < 9 else local.date() + DAY
    return datetime(day.year, day.month, day.day, 9, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rhythm(bought, before):
    """Median and 80th percentile (nearest rank) of the gaps between purchases, or nothing with fewer than two gaps."""
    known = sorted({at for at, _ in bought if at <= before})
    gaps = sorted(b - a for a, b in pairwise(known))
    if len(gaps) < 2:
        return None
    median = timedelta(seconds=statistics.median(gap.total_seconds() for gap in gaps))
    return median, gaps[math.ceil(len(gaps) * 0.8) - 1]


def clamped(length, bounds):
    return min(max(length, days(bounds[0])), days(bounds[1]))


def simple_cases(folder):
    """The rows of customers with one resolution that stood, and their answers and purchases."""
    cases = rows(folder / "cases.csv")
    times = Counter(case["customer_id"] for case in cases)
    answers, purchases = {}, {}
    for row in rows(folder / "answers.csv"):
        answers.setdefault((row["case_id"], row["epoch"]), {})[row["touch"]] = row
    for row in rows(folder / "purchases.csv"):
        bought = (datetime.fromisoformat(row["purchased_at"]), row["voucher_only"] != "true")
        purchases.setdefault(row["customer_id"], []).append(bought)
    for case in cases:
        if times[case["customer_id"]] == 1 and not case["reopened_at"]:
            given = answers.get((case["case_id"], case["epoch"]), {})
            if "survey" not in given or int(given["survey"]["score"]) >= CONTENT:
                yield case, given, sorted(purchases.get(case["customer_id"], []))


def expected(case, given, bought, end):
    """{touch: when it was sent, or why it was not}, as far as it was settled by the end."""
    zone = case["time_zone"]
    survey = waking(datetime.fromisoformat(case["resolved_at"]) + days(CADENCE["survey"]["after"]), zone)
    reminder = waking(survey + days(CADENCE["survey"]["reminders"][0]["after"]), zone)
    if "survey" not in given:
        return {"survey": survey, "reminder": reminder}
    answered = survey + timedelta(hours=float(given["survey"]["hours_after_sending"]))
    sent = {"survey": survey, "reminder": "answered" if answered < reminder else reminder}
    sent |= checkins(answered, given, bought, zone)
    return {touch: when for touch, when in sent.items() if isinstance(when, str) or when <= end}


def checkins(anchor, given, bought, zone):
    first, last = CADENCE["tracks"]["after_content_answer"]["steps"]
    known = rhythm(bought, anchor)
    first_due = waking(anchor + (clamped(known[0], first["clamp"]) if known else days(first["unknown"])), zone)
    last_due = waking(anchor + (clamped(known[1], last["clamp"]) if known else days(last["unknown"])), zone)
    watch = clamped(known[1], ("P60D", "P365D")) if known else days("P90D")
    paid = [at for at, paid_for in bought if paid_for and anchor < at]
    sent = {"first_return": "purchase_seen" if any(at <= first_due for at in paid) else first_due}
    if sent["first_return"] == first_due:
        last_due = max(last_due, waking(max(last_due, first_due + 7 * DAY), zone))
    confirmed = loyal_at(anchor, sent["first_return"], given, bought, watch)
    sent["loyalty"] = "journey_over" if confirmed is not None and confirmed < last_due else last_due
    return sent


def loyal_at(anchor, first_sent, given, bought, watch):
    """When loyalty was confirmed by the first check-in and purchases, or never."""
    answer = given.get("first_return")
    if isinstance(first_sent, str) or answer is None or int(answer["score"]) < LOYAL:
        return None
    if int(given["survey"]["score"]) < LOYAL:
        return None
    said = first_sent + timedelta(hours=float(answer["hours_after_sending"]))
    for moment in sorted([said, *(at for at, _ in bought if at > said)]):
        known = rhythm(bought, moment)
        needed = 2 if known and known[0] < 30 * DAY else 1
        if sum(paid and anchor < at <= min(moment, anchor + watch) for at, paid in bought) >= needed:
            return moment
    return None
