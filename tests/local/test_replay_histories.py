"""Whole histories through the whole stack: repeats, reopenings, proposals, check-ins, purchases, staff."""

import argparse
import json
from collections import Counter
from datetime import datetime, timedelta

import pytest

from local import replay
from tests.local import rederive

HISTORIES = rederive.ROOT / "examples" / "histories"


def replayed(folder, tmp, *more):
    parser = argparse.ArgumentParser()
    replay.add_arguments(parser)
    files = ["--cases", str(folder / "cases.csv"), "--answers", str(folder / "answers.csv")]
    args = parser.parse_args([*files, "--json", str(tmp / "out.json"), "--ledger", str(tmp / "ledger.jsonl"), *more])
    code = replay.run(args)
    lines = [json.loads(line) for line in (tmp / "ledger.jsonl").read_text("utf-8").splitlines()]
    return code, json.loads((tmp / "out.json").read_text("utf-8")), lines


@pytest.fixture(scope="module")
def histories(tmp_path_factory):
    more = ("--staff", str(HISTORIES / "staff.csv"), "--purchases", str(HISTORIES / "purchases.csv"))
    return replayed(HISTORIES, tmp_path_factory.mktemp("histories"), *more)


def test_it_runs_clean(histories):
    code, summary, _ = histories
    assert (code, summary["violations"], summary["cases"], summary["journeys"]) == (0, [], 1594, 1594)


def test_every_outcome_that_the_data_allows_is_reached(histories):
    """Nobody bounces or opts out in these files."""
    _, summary, _ = histories
    assert sorted(summary["outcomes"]) == ["lost", "loyal", "superseded", "unknown"]
    assert summary["open"] + sum(summary["outcomes"].values()) == summary["journeys"]


def test_every_reopened_resolution_is_superseded(histories):
    _, summary, _ = histories
    reopened = sum(bool(case["reopened_at"]) for case in rederive.rows(HISTORIES / "cases.csv"))
    assert summary["outcomes"]["superseded"] == reopened


def test_every_answer_of_the_files_was_given_or_counted_as_unused(histories):
    _, summary, _ = histories
    assert summary["answers"] + summary["answers_unused"] == len(rederive.rows(HISTORIES / "answers.csv"))


def test_every_mail_to_a_customer_stands_in_the_ledger(histories):
    _, summary, lines = histories
    mailed = sum(count for kind, count in summary["mails"].items() if kind != "staff-notice")
    assert sum(line["sent"] for line in lines) == mailed
    assert sum(not line["sent"] for line in lines) == sum(summary["not_sent"].values())


def test_the_ledger_says_what_an_independent_script_derives_from_the_cadence(histories):
    _, _, lines = histories
    ledger = {}
    for line in lines:
        told = datetime.fromisoformat(line["at"]) if line["sent"] else line["reason"]
        ledger.setdefault((line["case"], line["epoch"]), {})[line["touch"]] = told
    end = max(datetime.fromisoformat(case["resolved_at"]) for case in rederive.rows(HISTORIES / "cases.csv"))
    end += timedelta(days=120)
    asked = ("survey", "reminder", "first_return", "loyalty")
    wrong, judged = {}, 0
    for case, given, bought in rederive.simple_cases(HISTORIES):
        expected = rederive.expected(case, given, bought, end)
        found = ledger[case["case_id"], int(case["epoch"])]
        judged += 1
        if {touch: found.get(touch) for touch in asked if touch in expected or touch in found} != expected:
            wrong[case["case_id"]] = (expected, found)
    assert (wrong, judged > 100) == ({}, True)


def summed(figures, *beginnings):
    """What the figures say of measures that begin so, by the first part of what follows."""
    found = Counter()
    for beginning in beginnings:
        for measure, number in figures.items():
            if measure.startswith(beginning):
                found[measure.removeprefix(beginning).partition(":")[0]] += number
    return dict(found)


def test_the_figures_say_what_the_replay_counted_by_itself(histories):
    """Mails by what the mail service took, the rest by how the journeys stand: neither knows the figures."""
    _, summary, _ = histories
    figures = summary["figures"]
    mails = {kind: number for kind, number in summary["mails"].items() if kind != "staff-notice"}
    reasons = Counter()
    for beginning in ("unsent/", "back/"):
        for rest, number in summed(figures, beginning).items():
            reasons[rest.partition("/")[2]] += number
    assert summed(figures, "sent/") == mails
    assert reasons == summary["not_sent"]
    assert summed(figures, "outcome/") == summary["outcomes"]
    assert sum(summed(figures, "opened/").values()) == summary["recoveries"]
    assert (figures["begun"], figures["negative"]) == (summary["journeys"], figures["recovered"])
