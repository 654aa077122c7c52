"""Who signed a request, and when."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.entry import webhooks
from chalicelib.entry.webhooks import BadSignature, key_of, sign, verify

# The vector in the tests of the reference libraries: github.com/standard-webhooks/standard-webhooks
KEY = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
HEADERS = {"webhook-id": ID, "webhook-timestamp": "1614265330", "webhook-signature": SIGNATURE}

OTHER = key_of("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")


def _refused(headers, *, keys=(KEY,), body=BODY, now=AT):
    with pytest.raises(BadSignature):
        verify(keys, headers, body, now)


def test_it_signs_as_the_specification_does():
    assert sign(KEY, ID, AT, BODY) == HEADERS


def test_what_the_specification_signs_is_taken_and_names_its_message():
    assert verify([KEY], HEADERS, BODY, AT) == ID


def test_while_a_key_is_rotated_either_is_taken_on_either_side():
    assert verify([OTHER, KEY], HEADERS, BODY, AT) == ID
    both = {**HEADERS, "webhook-signature": f"{sign(OTHER, ID, AT, BODY)['webhook-signature']} {SIGNATURE}"}
    assert verify([KEY], both, BODY, AT) == ID
    assert verify([OTHER], both, BODY, AT) == ID


def test_signatures_of_other_versions_are_passed_over():
    mixed = {**HEADERS, "webhook-signature": f"v1a,{'A' * 86}== {SIGNATURE} v2,xyz"}
    assert verify([KEY], mixed, BODY, AT) == ID


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
def test_five_minutes_either_way_are_taken(seconds):
    assert verify([KEY], HEADERS, BODY, AT + timedelta(seconds=seconds)) == ID


@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 86_400])
def test_more_is_refused_in_the_past_and_in_the_future(seconds):
    _refused(HEADERS, now=AT + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [300.5, -300.5])
def test_half_a_second_more_is_more(seconds):
    _refused(HEADERS, now=AT + timedelta(seconds=seconds))


@pytest.mark.parametrize("name", list(HEADERS))
@pytest.mark.parametrize(
    "value",
    [
        *("", " ", ",", ".", "v1", "v1,", "v1,=", "nan", "-1", "1e9", "0x10", "١٦١٤٢٦٥٣٣٠", "é", "\ud800", "\x00"),
        *("1614265330.0", " 1614265330", "1614265330\n", "+1614265330", "1_614_265_330", "999999999999", "9" * 5000),
        *(
            "v1," * 600,
            " " * 3000,
            f"{SIGNATURE}\n",
            SIGNATURE.lower(),
            SIGNATURE.removeprefix("v1,"),
            f"v2,{SIGNATURE}",
        ),
        *(
            f"v2,{SIGNATURE}",
            f"v1,{SIGNATURE}",
            f"V1{SIGNATURE[2:]}",
            SIGNATURE[:-1],
            f"{SIGNATURE}=",
            SIGNATURE.replace("+", " "),
        ),
    ],
    ids=lambda value: ascii(value[:30]),
)
def test_garbage_in_any_header_is_a_refusal_and_nothing_else(name, value):
    _refused({**HEADERS, name: value})


@pytest.mark.parametrize("name", list(HEADERS))
def test_each_header_is_needed(name):
    _refused({each: value for each, value in HEADERS.items() if each != name})


def test_a_header_given_twice_is_refused():
    """API Gateway joins what came twice by commas."""
    for name, value in HEADERS.items():
        _refused({**HEADERS, name: f"{value},{value}"})


@pytest.mark.parametrize("at", range(len(BODY)))
def test_any_changed_byte_of_the_body_is_refused(at):
    _refused(HEADERS, body=BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :])


def test_without_a_key_nothing_is_taken():
    _refused(HEADERS, keys=())


def test_a_key_is_not_taken_for_another():
    _refused(HEADERS, keys=(OTHER,))


def test_what_is_signed_cannot_be_cut_elsewhere():
    """Id, time and body are joined by dots: moving a dot must not make another message of them."""
    signed = sign(KEY, "a.b", AT, b"c")
    _refused({**signed, "webhook-id": "a"}, body=b"c")


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whpk_AAAA", "whsec_AAA"]
)
def test_a_secret_that_is_none_is_refused(secret):
    with pytest.raises(ValueError, match="whsec_<base64>"):
        webhooks.key_of(secret)
