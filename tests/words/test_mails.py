"""Every mail in every language and for every brand: found in its folder, written by Letters, read as it arrives."""

import re
from email import message_from_bytes, policy
from functools import cache
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.effects import message, rendering, wrapping
from chalicelib.journey.documents import LANGUAGES
from chalicelib.journey.state import CLASS_OF
from tests.words import specimens
from tests.words.specimens import CUSTOMERS, HOSTILE, KINDS, Page

#: Promise M4: Gmail clips at about 102 KB, and a slow phone much earlier.
LARGEST = 20 * 1024
BRANDS = specimens.brands()
ASKS = tuple(kind for kind in CUSTOMERS if CLASS_OF[kind] == "ask")
#: What no mail may say: the traces of a template or of a value that is not there.
TRACES = re.compile(r"\{\{|\{%|%\(\w+\)s|\bNone\b|\bUndefined\b|<bdi>\s*</bdi>")
_URL = re.compile(r"https?://\S+")


@cache
def written(kind, language, brand):
    return specimens.write(kind, specimens.journey(), specimens.person(language), specimens.documents(BRANDS[brand]))


def arrived(kind, language, brand):
    """The mail as a mail program takes it apart."""
    mail = message_from_bytes(message.raw(*written(kind, language, brand), "aftercare-test"), policy=policy.default)
    parts = [mail.get_body((name,)).get_content() for name in ("plain", "html")]
    return mail, *parts


EVERY = pytest.mark.parametrize(("kind", "language"), list(product(CUSTOMERS, LANGUAGES)))
EVERY_BRAND = pytest.mark.parametrize("brand", BRANDS)


def test_every_folder_of_a_mail_is_written_by_somebody():
    assert set(KINDS) == set(CUSTOMERS) | set(specimens.TO_STAFF)


@EVERY
@EVERY_BRAND
def test_a_mail_is_small_whole_and_in_the_customers_language(kind, language, brand):
    mail, text, html = arrived(kind, language, brand)
    page = Page(html)
    assert len(html.encode()) <= LARGEST
    assert page.wrong == []
    direction = {"ar": "rtl"}.get(language, "ltr")
    root = dict(page.tags)["html"]
    assert (root["lang"], root["dir"]) == (language, direction)
    assert text.strip()
    # RFC 2047, and back: nothing is lost on the way.
    assert str(mail["Subject"]) == message.one_line(written(kind, language, brand)[0].subject) != ""
    if brand != "hostile":
        assert TRACES.findall(" ".join((mail["Subject"], text, page.text))) == []


@EVERY
@EVERY_BRAND
def test_a_mail_says_whose_it_is_where_they_live_and_how_to_get_no_more(kind, language, brand):
    mail, text, html = arrived(kind, language, brand)
    page = Page(html)
    opt_out = specimens.LINKS.url(specimens.Link("opt_out", "j", kind))
    assert opt_out in page.links
    assert opt_out in text
    address = BRANDS["plain"].postal_address.split(", ")[1:]
    if brand != "hostile":
        assert [part for part in address if part not in text or part not in page.text] == []
    assert "4711" in text
    assert "4711" in page.text
    one_click = (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"])
    expected = (None, None) if CLASS_OF[kind] == "response" else (f"<{opt_out}>", "List-Unsubscribe=One-Click")
    assert one_click == expected
    assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"]) == ("auto-generated", "OOF, AutoReply")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("sign", ['"', "あ", "😀", "a\n"], ids=ascii)
def test_the_longest_words_make_no_mail_too_large(language, sign):
    told = specimens.journey((sign * 500)[:500], (sign * 8_000)[:8_000])
    answers = tuple(replace(answer, call_back=True) for answer in told.answers)
    reader = specimens.person(language, (sign * 100)[:100])
    for kind in ("survey", "acknowledgement", "check-in", "thank-you"):
        body, _ = specimens.write(kind, replace(told, answers=answers), reader, specimens.documents())
        assert len(body.html.encode()) <= LARGEST, kind


@pytest.mark.parametrize(("kind", "language"), list(product(ASKS, LANGUAGES)))
def test_an_ask_can_be_answered_from_both_parts(kind, language):
    _, text, html = arrived(kind, language, "plain")
    for links in (_URL.findall(text), Page(html).links):
        assert [link for link in links if link.startswith("https://care.example.com/a/")]


@EVERY
def test_a_mail_is_addressed_by_first_name_and_signed_by_a_person(kind, language):
    mail, text, html = arrived(kind, language, "plain")
    sender = "Ines Okafor"
    assert ["Ada" in part for part in (text, html)] == [True, True]
    assert [sender in part for part in (text, html, str(mail["From"]))] == [True, True, True]


@EVERY
def test_lines_of_a_text_part_fit_a_narrow_window(kind, language):
    _, text, _ = arrived(kind, language, "plain")
    assert [line for line in text.splitlines() if wrapping.columns(line) > 74 and not _URL.search(line)] == []


@pytest.mark.parametrize("kind", CUSTOMERS)
@pytest.mark.parametrize("known", [True, False], ids=["all known", "little known"])
def test_no_text_of_a_mail_was_forgotten_to_be_translated(kind, known, marked):
    """In words of Cyrillic letters alone, a Latin letter is one that nobody marked."""
    brand = replace(
        BRANDS["plain" if known else "no phone"],
        name="Север",
        postal_address="Север, улица 1",
        phone_hours="утром" if known else None,
        sender=specimens.Sender(name="Инес", role="отдел"),
    )
    documents = specimens.documents(brand)
    staff = replace(
        documents.staff,
        members=tuple(replace(member, name="Ана", role="отдел") for member in documents.staff.members),
    )
    told = specimens.journey(*("дело", "слова", "17") if known else ("", "", "17"))
    proposals = tuple(replace(one, action="новый") for one in told.recoveries[0].proposals)
    told = replace(told, recoveries=(replace(told.recoveries[0], proposals=proposals),))
    touch = {"text": "письмо"} if kind != "thank-you" else {}
    for step in ("fix_holds", "recovery_rating", "first_return", "loyalty"):
        body, _ = specimens.write(
            kind,
            told,
            specimens.person("ja", "Ада" if known else ""),
            replace(documents, staff=staff),
            **touch,
            step=step,
            by="ines" if known else "",
        )
        seen = _URL.sub("", f"{body.subject} {body.text} {Page(body.html).text}")
        assert re.findall(r"[A-Za-z]{2,}", seen) == []


# -- what others write into a mail -----------------------------------------------------------------------------


@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_somebody_is_called_or_writes_becomes_markup_a_template_or_a_header(kind, words):
    told = specimens.journey(words, words, words)
    body, envelope = (
        specimens.write(kind, told, specimens.person("fr", words), specimens.documents(), text=words)
        if kind not in specimens.TO_STAFF
        else specimens.write(kind, told, specimens.person("fr", words), specimens.documents())
    )
    page = Page(body.html)
    assert page.wrong == []
    assert {tag for tag, _ in page.tags} & {"script", "img", "b", "iframe", "object"} == set()
    assert [name for _, given in page.tags for name in given if name.startswith("on")] == []
    assert [link for link in page.links if not link.startswith(("https://", "tel:"))] == []
    assert "1337" not in body.html + body.text + body.subject
    mail = message_from_bytes(message.raw(body, envelope, "aftercare-test"), policy=policy.default)
    assert (mail["Bcc"], len(mail.get_all("To")), len(mail.get_all("Subject"))) == (None, 1, 1)
    assert mail["To"].addresses[0].addr_spec in {"ada@example.com", "ana.duarte@staff.example.com"}


# -- colours ---------------------------------------------------------------------------------------------------


def _luminance(colour):
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one, other):
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


_SHADES = rendering.environment().from_string(
    '{% from "_colour.html" import on, ink, glow %}{{ on(c) }} {{ ink(c) }} {{ glow(c) }} {{ on(glow(c)) }}'
)


@given(st.integers(0, 0xFFFFFF))
def test_whatever_colour_a_brand_has_everything_can_be_read(number):
    """WCAG AA, 4.5 to 1, on every ground that mails and pages have in light and in dark."""
    colour = f"#{number:06x}"
    on, ink, glow, on_glow = _SHADES.render(c=colour).split()
    pairs = [(colour, on), (glow, on_glow)]
    pairs += [(ink, ground) for ground in ("#ffffff", "#f4f3f0")]
    pairs += [(glow, ground) for ground in ("#111113", "#1c1c20", "#29292e")]
    assert [(pair, _contrast(*pair)) for pair in pairs if _contrast(*pair) < 4.5] == []


def test_the_name_in_place_of_a_logo_that_is_not_loaded_can_be_read_in_the_dark():
    html = written("survey", "en", "logo")[0].html
    assert re.findall(r'<img class="i" [^>]* alt="(.+?)"', html) == [BRANDS["logo"].name]
    [(ground, letters)] = re.findall(r"\.i\{background:(#\w+);color:(#\w+);", html)
    assert _contrast("#ffffff" if ground == "#fff" else ground, letters) >= 4.5


# -- lines -----------------------------------------------------------------------------------------------------


@given(st.text(alphabet="ab 、。「」あ漢字ًع\n-", max_size=300), st.integers(20, 80), st.booleans())
def test_wrapping_loses_nothing_and_keeps_to_the_width(text, width, hard):
    lines = wrapping.wrap(text, width, hard=hard).split("\n")
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        # What stays together stays together: a word, and what may stand neither first nor last.
        assert wrapping.columns(line) <= width or "\n" not in wrapping.wrap(line, 1)


def test_japanese_breaks_between_characters_but_not_before_a_full_stop():
    assert wrapping.wrap("これは長い文です。次の文です。", 16) == "これは長い文で\nす。次の文です。"


def test_no_line_begins_with_what_a_blank_that_does_not_break_holds_to_the_word_before():
    for blank in "\u00a0\u202f\u2007":
        assert wrapping.wrap(f"de 9 à 17{blank}h", 8) == f"de 9 à\n17{blank}h"
    texts = [written(kind, "fr", "plain")[0].text for kind in CUSTOMERS]
    assert re.findall(r"^(?:[:;?!»].*|h\b.*)", "\n".join(texts), re.MULTILINE) == []


def test_a_link_is_never_broken_and_a_long_word_only_when_asked():
    link = "https://example.com/" + "a" * 100
    assert wrapping.wrap(f"See {link} please", 40) == f"See\n{link}\nplease"
    assert wrapping.wrap("a" * 50, 40, hard=True) == "a" * 40 + "\n" + "a" * 10
