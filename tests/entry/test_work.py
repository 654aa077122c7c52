"""The page on which staff work a recovery, opened by the link of their notice."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from chalicelib.links import Link


def _recovering(stack):
    """A bad answer; returns the journey's id and the path of the owner's page."""
    journey_id, path = stack.surveyed()
    stack.submit(path, urlencode({"csat": "1", "words": "It broke <b>"}))
    stack.settle()
    return journey_id, stack.paths("w")[-1]


def _act(stack, path, **fields):
    return stack.submit(path, urlencode(fields))


def _done(stack, journey_id):
    return [step.act for step in stack.journey(journey_id).recoveries[-1].done]


def test_it_shows_what_the_customer_said_and_what_comes_next(stack):
    _, path = _recovering(stack)
    reply = stack.request("GET", path)
    page = reply.body.decode()
    assert (reply.status, "It broke &lt;b&gt;" in page, 'value="take"' in page) == (200, True, True)


def test_each_press_does_one_step_by_whom_the_link_was_written_for(stack):
    journey_id, path = _recovering(stack)
    friday = (stack.clock.now + timedelta(days=3)).date().isoformat()
    acts = (
        {"act": "take"},
        {"act": "apologise", "text": "I am sorry."},
        {"act": "propose", "text": "A new lamp.", "due": friday},
    )
    for act in acts:
        assert _act(stack, path, **act).status == 200, act
    assert _done(stack, journey_id) == ["take", "apologise", "propose"]
    owner = stack.wiring.links.read(path.removeprefix("/w/"), "work", stack.clock.now).subject
    assert {step.by for step in stack.journey(journey_id).recoveries[-1].done} == {owner}


def test_pressing_twice_is_pressing_once(stack):
    journey_id, path = _recovering(stack)
    for _ in range(2):
        assert _act(stack, path, act="take", view="a" * 32).status == 200
    assert _done(stack, journey_id) == ["take"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"act": "delete"}, 422),
        ({}, 422),
        ({"act": "deliver", "amount": "much"}, 422),
        ({"act": "deliver", "amount": "-5"}, 422),
        ({"act": "deliver", "redress": "bribe"}, 422),
        ({"act": "propose", "text": "A lamp.", "due": "soon"}, 422),
        ({"act": "propose", "text": "A lamp.", "due": "0001-01-01"}, 422),
        ({"act": "propose", "text": "A lamp.", "due": "9999-12-31"}, 422),
        ({"act": "apologise", "text": "x" * 8_001}, 422),
        ({"act": "take", "view": "x" * 121}, 422),
        ({"act": "close"}, 409),
    ],
)
def test_what_is_wrong_is_said_on_the_page_and_changes_nothing(stack, fields, status):
    _, path = _recovering(stack)
    before = stack.rows()
    reply = _act(stack, path, **fields)
    assert (reply.status, b"Not done yet" in reply.body) == (status, True)
    assert stack.rows() == before


def test_a_form_that_no_browser_sends_is_no_act(stack):
    _, path = _recovering(stack)
    before = stack.rows()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert stack.request("POST", path, headers, b"\xff").status == 400
    assert stack.rows() == before


def test_while_the_table_cannot_be_had_the_form_comes_back(stack):
    _, path = _recovering(stack)
    stack.off.add("dynamodb")
    reply = _act(stack, path, act="apologise", text="I am sorry.")
    assert (reply.status, "I am sorry." in reply.body.decode()) == (503, True)


def test_a_link_works_sixty_days_and_for_nobody_who_has_left(stack):
    journey_id, path = _recovering(stack)
    gone = "/w/" + stack.wiring.links.token(Link("work", journey_id, "nobody"))
    assert stack.request("GET", gone).status == 404
    stack.clock.move(stack.clock.now + timedelta(days=59))
    assert stack.request("GET", path).status == 200
    stack.clock.move(stack.clock.now + timedelta(days=2))
    assert stack.request("GET", path).status == 404
