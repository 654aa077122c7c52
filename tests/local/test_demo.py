"""The demo: which slice of the cases it shows, and how its command behaves."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest

from local import demo, inputs, pages, sample
from local.site import Request, Site
from local.views import Views
from tests.local.site import BROWSER

ROOT = Path(__file__).parents[2]
HEAD = (
    "case_id,customer_id,email,first_name,last_name,locale,time_zone,opened_at,resolved_at,channel,category,"
    "issue,subject,team,outcome,resolved_on_time,epoch,reopened_at\n"
)


@pytest.fixture(scope="module")
def histories():
    return inputs.read(*(demo.HISTORIES / f"{name}.csv" for name in ("cases", "answers", "staff", "purchases")))


@pytest.fixture(scope="module")
def begins(histories):
    return sample.begin(histories)


def _line(case_id, resolved_at, person="p"):
    return f"{case_id},{person},{person}@example.com,Ann,,en,UTC,,{resolved_at},web,,,Late,,closed,yes,1,\n"


def _read(tmp_path, *lines):
    (tmp_path / "cases.csv").write_text(HEAD + "".join(lines))
    return inputs.read(tmp_path / "cases.csv")


def test_the_demo_begins_on_a_working_morning_with_a_working_day_to_follow(begins):
    assert f"{begins:%a %Y-%m-%d %H:%M %Z}" == "Thu 2026-05-07 10:00 EDT"


@pytest.mark.parametrize(
    ("last", "begins"),
    [
        ("2026-05-06T20:00:00+00:00", "2026-05-07T10:00:00-04:00"),  # the only case: none may be left out
        ("2026-05-08T20:00:00+00:00", "2026-05-11T10:00:00-04:00"),  # a Friday: staff are back on Monday
        ("2026-05-07T14:00:00+00:00", "2026-05-07T10:00:00-04:00"),  # that very morning
    ],
)
def test_a_short_file_is_shown_whole(tmp_path, last, begins):
    assert sample.begin(_read(tmp_path, _line("A", last))).isoformat() == begins


def test_people_come_with_all_their_cases(histories, begins):
    chosen = sample.choose(histories, begins, demo.PEOPLE)
    people = {message.data["customer"]["customer_id"] for message in chosen.messages if "customer" in message.data}
    theirs = [
        message.data["case_id"]
        for message in histories.messages
        if message.type == "case.resolved"
        and message.at <= begins
        and message.data["customer"]["customer_id"] in people
    ]
    assert len(people) == demo.PEOPLE
    assert chosen.cases == len(theirs)
    assert sorted(theirs) == sorted(m.data["case_id"] for m in chosen.messages if m.type == "case.resolved")
    assert len(theirs) > len(set(theirs)), "somebody's case was resolved twice"


def test_nothing_is_told_that_comes_after_the_beginning(histories, begins):
    chosen = sample.choose(histories, begins, demo.PEOPLE)
    assert max(message.at for message in chosen.messages) <= begins
    assert sample.choose(histories, begins, demo.PEOPLE) == chosen


def test_nobody_is_left_out_when_all_are_asked_for(tmp_path):
    lines = [_line(f"C{day}", f"2026-04-{day:02}T12:00:00+00:00", f"p{day}") for day in range(1, 29)]
    given = _read(tmp_path, *lines)
    assert sample.choose(given, given.last_resolution, 0).messages == given.messages
    assert sample.choose(given, given.last_resolution, 100).messages == given.messages


def test_the_demo_opens_with_journeys_at_every_stage_and_every_page_can_be_shown(histories, begins):
    stack = demo.load(sample.choose(histories, begins, demo.PEOPLE), begins, "http://127.0.0.1:8000")
    views = Views(stack)
    shown = {stage for stage, number in views.stages().items() if number}
    assert shown >= {"waiting", "asked", "checking_in", "recovering", "loyal", "lost", "superseded", "unknown"}
    assert (stack.clock.now, stack.failures, stack.dead_letters()) == (begins, [], 0)
    kinds = {mail.kind for mail in views.mails()}
    assert kinds == set(pages.KINDS) - {"apology", "update"}  # in the files apologies are spoken; updates come later
    site = Site(stack)
    for journey in views.journeys():
        assert site.answer(Request("GET", f"/_local/journeys/{journey.id}", _browser())).status == 200
    for mail in views.mails():
        assert site.answer(Request("GET", f"/_local/mail/{mail.id}?view=text", _browser())).status == 200
    every = [site.answer(Request("GET", f"/_local/mail?page={page}", _browser())).body.decode() for page in range(1, 9)]
    assert sum(page.count('<li><a class="lead"') for page in every) == len(views.mails())
    # From here on nobody acts by themselves: what happens is what the clock brings.
    answered = sum(len(journey.answers) for journey in views.journeys())
    stack.run_until(begins + timedelta(days=400))
    assert sum(len(journey.answers) for journey in views.journeys()) == answered
    assert stack.failures == []


def _browser():
    return {name.lower(): value for name, value in BROWSER.items()}


# -- the command ----------------------------------------------------------------------------------------------


def _command(*arguments):
    # Unbuffered only by what the demo itself flushes: its greeting must come through a pipe.
    return [sys.executable, "-m", "local", *arguments]


def _run(*arguments):
    return subprocess.run(_command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["replay", "--help"]])
def test_every_command_explains_itself(arguments):
    told = _run(*arguments)
    assert (told.returncode, told.stdout.startswith("usage: python -m local"), told.stderr) == (0, True, "")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminate"])
def test_the_demo_says_where_to_look_and_ends_well(tmp_path, stop):
    (tmp_path / "cases.csv").write_text(HEAD + _line("A", "2026-05-06T20:00:00+00:00"))
    started = subprocess.Popen(
        _command("demo", "--port", "0", "--cases", str(tmp_path / "cases.csv")),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        told = [started.stdout.readline() for _ in range(9)]
        where = re.search(r"http://(127\.0\.0\.1:\d+)", told[0])[1]
        connection = HTTPConnection(where, timeout=20)
        connection.request("GET", "/_local/clock")
        clock = json.loads(connection.getresponse().read())
        connection.close()
        started.send_signal(stop)
        left, errors = started.communicate(timeout=20)
    finally:
        started.kill()
        started.wait()
        started.stdout.close()
        started.stderr.close()
    assert clock == {"now": "2026-05-07T14:00:00Z", "next": "2026-05-08T09:00:00Z"}
    assert (started.returncode, left, errors) == (0, "\nStopped.\n", "")
    assert [line.split()[0] for line in told[2:7]] == ["Start", "Console", "Mailbox", "Journeys", "Clock"]


def test_a_port_in_use_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = _run("demo", "--port", str(port))
    assert (told.returncode, told.stdout) == (2, "")
    assert (
        told.stderr == f"demo: port {port} is in use; take another: make demo PORT={port + 1}, or --port {port + 1}\n"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--cases", "nowhere.csv"], "demo: nowhere.csv"),
        (["--answers", os.devnull], "demo: --answers, --staff and --purchases belong to --cases"),
        (["--cases", os.devnull], f"demo: {os.devnull}: there is no case in it"),
        (["--port", "70000"], "70000 is no port"),
        (["--port", "http"], "'http' is no number"),
        (["--people", "-1"], "'-1' is no number"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_anything_starts(arguments, says):
    told = _run("demo", "--port", "0", *arguments)
    assert (told.returncode, told.stdout) == (2, "")
    assert says in told.stderr
