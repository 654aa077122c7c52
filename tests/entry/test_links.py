"""What a link may do, and that nobody made it up."""

import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.links import BadLink, Link, Links, Purpose, Shown

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD, NEW, FOREIGN = b"o" * 32, b"n" * 32, b"f" * 32
JOURNEY = "j" + "a" * 26
PURPOSES = get_args(Purpose)
LINK = Link("answer", JOURNEY, "survey")
OTHER = Link("opt_out", "j" + "b" * 26, "check-1")


def _links(**keys):
    return Links(keys, "https://care.example.com/api/")


@pytest.mark.parametrize(
    "link",
    [
        *(Link(purpose, JOURNEY, "survey") for purpose in PURPOSES),
        Link("proposal", JOURNEY, "1.2"),
        Link("work", JOURNEY, "ana", NOW + timedelta(days=60)),
    ],
)
def test_what_was_signed_is_read_back(link):
    links = _links(k1=NEW)
    assert links.read(links.token(link), link.purpose, NOW) == link


def test_an_address_names_its_page_and_stands_below_the_base():
    links = _links(k1=NEW)
    token = links.token(LINK)
    assert links.url(LINK) == f"https://care.example.com/api/a/{token}"
    assert links.url(LINK, r="4") == f"https://care.example.com/api/a/{token}?r=4"
    pages = [links.url(Link(purpose, JOURNEY, "x")).split("/")[4] for purpose in PURPOSES]
    assert pages == ["a", "p", "o", "w", "d", "console"]


def test_a_link_for_one_purpose_opens_no_other():
    links = _links(k1=NEW)
    for made, asked in product(PURPOSES, PURPOSES):
        token = links.token(Link(made, JOURNEY, "survey"))
        if made == asked:
            assert links.read(token, asked, NOW).purpose == made
        else:
            with pytest.raises(BadLink):
                links.read(token, asked, NOW)


def test_an_expired_link_opens_nothing_and_one_that_expires_later_does():
    links = _links(k1=NEW)
    token = links.token(Link("work", JOURNEY, "ana", NOW))
    assert links.read(token, "work", NOW - timedelta(seconds=1)).subject == "ana"
    for late in (NOW, NOW + timedelta(days=1)):
        with pytest.raises(BadLink):
            links.read(token, "work", late)


def test_rotation_breaks_no_link_until_the_old_key_is_gone():
    before = _links(k1=OLD).token(LINK)
    rotated = _links(k2=NEW, k1=OLD)
    assert rotated.read(before, "answer", NOW) == LINK
    assert rotated.token(LINK).startswith("k2.")
    assert _links(k2=NEW).read(rotated.token(LINK), "answer", NOW) == LINK
    with pytest.raises(BadLink):
        _links(k2=NEW).read(before, "answer", NOW)


def test_a_key_id_does_not_make_another_key_valid():
    token = _links(k1=FOREIGN).token(LINK)
    with pytest.raises(BadLink):
        _links(k1=NEW, k2=OLD).read(token, "answer", NOW)
    with pytest.raises(BadLink):
        _links(k1=NEW, k2=NEW).read(_links(k1=NEW).token(LINK).replace("k1.", "k2."), "answer", NOW)


def test_the_mac_has_at_least_128_bits():
    mac = _links(k1=NEW).token(LINK).rpartition(".")[2]
    assert len(urlsafe_b64decode(mac + "=" * (-len(mac) % 4))) * 8 == 160


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "...", "k1", "k1.", "k1..", ".a.b", "k1.a.b", "k1.a.b.c", "x" * 400, "x." * 5_000, "é.é.é"),
        *("\ud800.\ud800.\ud800", "k1.\x00.\x00", "None.None.None", "k1.!!!!.????", "%2e%2e", "../../etc/passwd"),
    ],
    ids=lambda token: ascii(token[:20]),
)
def test_what_never_was_a_token_opens_nothing(token):
    for purpose in PURPOSES:
        with pytest.raises(BadLink):
            _links(k1=NEW).read(token, purpose, NOW)


_NONSENSE = (
    "answer",
    "answer|j|survey",
    "answer|j|s|x|y",
    "answer|j|s|soon",
    f"answer|j|s|{10**30}",
    "delete|j|s|",
    "ÿ",
)


@pytest.mark.parametrize("payload", _NONSENSE)
def test_even_signed_nonsense_is_a_bad_link(payload):
    """Our own key has signed it: a form of another version, or of another use of the key."""
    links = _links(k1=NEW)
    encoded = urlsafe_b64encode(payload.encode("latin-1")).decode().rstrip("=")
    with pytest.raises(BadLink):
        links.read(f"k1.{encoded}.{links._mac('k1', encoded)}", "answer", NOW)  # noqa: SLF001


# -- a million damaged and foreign tokens ----------------------------------------------------------------------

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


def damaged(token, dice):
    """Return the token with one kind of damage, never the token itself."""
    while True:
        found = dice.choice(_DAMAGES)(token, dice)
        if found != token:
            return found


def _change(token, dice):
    at = dice.randrange(len(token))
    return token[:at] + dice.choice(_ALPHABET) + token[at + 1 :]


def _flip(token, dice):
    at = dice.randrange(len(token))
    return token[:at] + chr(ord(token[at]) ^ 1 << dice.randrange(7)) + token[at + 1 :]


def _swap(token, dice):
    one, other = sorted(dice.sample(range(len(token)), 2))
    return token[:one] + token[other] + token[one + 1 : other] + token[one] + token[other + 1 :]


def _cut(token, dice):
    return token[: dice.randrange(len(token))]


def _pad(token, dice):
    return token + dice.choice(["=", "==", ".", "A", "\n", "%00", " ", "."])


def _drop(token, dice):
    at = dice.randrange(len(token))
    return token[:at] + token[at + 1 :]


def _mix(token, dice):
    """The parts of two good tokens, or in another order."""
    parts = [*token.split("."), *_links(k1=NEW).token(OTHER).split(".")]
    return ".".join(dice.sample(parts, 3))


def _foreign(token, dice):
    key = dice.randbytes(32)
    return _links(**{dice.choice(["k1", "k2", "k9"]): key}).token(LINK)


def _noise(token, dice):
    return ".".join("".join(dice.choices(_ALPHABET, k=dice.randrange(60))) for _ in range(dice.randrange(1, 5)))


_DAMAGES = (_change, _flip, _swap, _cut, _pad, _drop, _mix, _foreign, _noise)


def _accepted(count, seed):
    """Return the damaged tokens that opened something, or raised anything but BadLink, for any purpose."""
    dice = random.Random(seed)
    links = _links(k1=NEW, k2=OLD)
    good = [links.token(Link(purpose, JOURNEY, "survey")) for purpose in PURPOSES]
    good += [_links(k2=OLD).token(LINK)]
    found = []
    for _ in range(count):
        token = damaged(dice.choice(good), dice)
        purpose = dice.choice(PURPOSES)
        try:
            links.read(token, purpose, NOW)
        except BadLink:
            continue
        except Exception as error:  # noqa: BLE001 - the figure is how many there are
            found.append((token, error))
            continue
        # A damage may by chance make another of the good tokens: that one is ours.
        if token not in (*good, links.token(OTHER)):
            found.append((token, None))
    return found


def test_damaged_and_foreign_tokens_open_nothing():
    assert _accepted(20_000, seed=1) == []


@pytest.mark.slow
def test_a_million_damaged_and_foreign_tokens_open_nothing():
    assert _accepted(1_000_000, seed=2) == []


# -- the view of a page ----------------------------------------------------------------------------------------


def test_a_view_says_when_its_page_was_shown_and_holds_while_its_key_lives():
    view = _links(k1=OLD).view(LINK, NOW, "n" * 32)
    for keys in ({"k1": OLD}, {"k2": NEW, "k1": OLD}):
        assert _links(**keys).shown(LINK, view) == Shown(NOW, "n" * 32)
    assert _links(k2=NEW).shown(LINK, view) is None


def test_a_view_is_of_one_page_and_a_token_is_none():
    links = _links(k1=NEW)
    view = links.view(LINK, NOW, "n" * 32)
    others = [Link(purpose, JOURNEY, LINK.subject) for purpose in PURPOSES if purpose != LINK.purpose]
    others += [Link(LINK.purpose, "jother", LINK.subject), Link(LINK.purpose, JOURNEY, "other")]
    assert [links.shown(other, view) for other in others] == [None] * len(others)
    assert links.shown(LINK, links.token(LINK)) is None
    with pytest.raises(BadLink):
        links.read(view, LINK.purpose, NOW)


@given(st.text(max_size=120) | st.binary(max_size=80).map(lambda raw: "k1." + raw.hex() + ".AAAA"))
def test_no_view_can_be_made_up(view):
    assert _links(k1=NEW).shown(LINK, view) is None
