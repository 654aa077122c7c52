"""Forms come in whole or not at all; replies say what they are."""

import json
from types import SimpleNamespace

import pytest

from chalicelib.entry import http


def _form(body):
    return http.form(SimpleNamespace(raw_body=body))


def test_a_form_is_its_fields_the_last_of_each_name():
    assert _form(b"csat=4&words=a+%26+b%0Ac&csat=5&empty=") == {"csat": "5", "words": "a & b\nc", "empty": ""}
    assert _form(b"") == _form(None) == {}


def test_a_form_may_have_forty_fields_and_not_one_more():
    assert len(_form("&".join(f"f{number}=x" for number in range(40)).encode())) == 40
    with pytest.raises(http.BadForm):
        _form("&".join(f"f{number}=x" for number in range(41)).encode())


def test_a_form_may_have_128_kilobytes_and_not_one_more():
    assert len(_form(b"words=" + b"x" * (128 * 1024 - 6))["words"]) == 128 * 1024 - 6
    with pytest.raises(http.BadForm):
        _form(b"words=" + b"x" * (128 * 1024 - 5))


@pytest.mark.parametrize("body", [b"\xff", b"words=\xc3", b"a=\xed\xa0\x80"])
def test_a_form_that_is_no_utf_8_is_none(body):
    with pytest.raises(http.BadForm):
        _form(body)


def test_escapes_that_are_no_utf_8_become_signs_that_say_so():
    assert _form(b"words=%FF%ED%A0%80") == {"words": "\ufffd" * 4}


def test_a_parameter_that_is_not_there_is_empty():
    assert http.query(SimpleNamespace(query_params=None), "r") == ""
    assert http.query(SimpleNamespace(query_params={"r": "4"}), "r") == "4"


def test_a_problem_says_what_was_wrong_in_the_form_of_rfc_9457():
    reply = http.problem(409, "Refused by the playbook", "Nobody owns it yet.", reason="not_taken")
    assert (reply.status_code, reply.headers) == (
        409,
        {"Content-Type": "application/problem+json", "Cache-Control": "no-store"},
    )
    assert json.loads(reply.body) == {
        "type": "about:blank",
        "title": "Refused by the playbook",
        "status": 409,
        "detail": "Nobody owns it yet.",
        "reason": "not_taken",
    }
