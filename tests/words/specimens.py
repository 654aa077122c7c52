"""Specimens for whoever looks at words: a journey in which everything has happened, brands, languages."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from msgspec.structs import replace

from chalicelib.effects import rendering
from chalicelib.effects.letters import Letters
from chalicelib.journey.documents import LANGUAGES, Brand, Documents, Sender
from chalicelib.journey.effects import NotifyStaff, SendSignIn
from chalicelib.journey.events import Case, Customer
from chalicelib.journey.state import CLASS_OF, Answer, Journey, Person, Proposal, Recovery, Stage, Touch
from chalicelib.links import Link, Links
from tests.unit.builders import shipped

#: A Tuesday, 11:00 in New York.
NOW = datetime(2026, 5, 5, 15, tzinfo=UTC)
A_DAY = timedelta(days=1)
LINKS = Links({"k": b"0123456789abcdef0123456789abcdef"}, "https://care.example.com")
LOCALES = {"en": "en-GB", "es": "es-MX", "fr": "fr-CA", "de": "de-AT", "pt": "pt-PT", "ja": "ja-JP", "ar": "ar-EG"}
#: Every folder of a mail, those that are not written yet included: a new one is tried without a word here.
KINDS = tuple(sorted(folder.name for folder in (rendering.TEMPLATES / "email").iterdir() if folder.is_dir()))
CUSTOMERS = tuple(kind for kind in KINDS if CLASS_OF.get(kind))
#: Mails to staff: in English only.
TO_STAFF = ("sign-in", "staff-notice")
PAGES = {path.stem for path in (rendering.TEMPLATES / "pages").glob("[!_]*.html")}

#: What attackers and unlucky people are called.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 191 }}{% raw %}",
    "100% %(name)s %s %d",
    "Ada\r\nBcc: eve@example.com\r\n\r\n<b>Body</b>",
    "Ada\u2028Bcc: eve@example.com",
    "=?utf-8?q?=0D=0ABcc:_eve=40example.com?=",
    "&lt;script&gt; &amp; javascript:alert(1)",
    "عميل \u202e desrever",
)
SUBJECT = "A delivery that never came"
WORDS = "Three weeks, four calls.\n\nNobody ever called back."


def brands() -> dict[str, Brand]:
    """The brands that mails are tried with."""
    plain = shipped().settings.brand
    hostile = " ".join(HOSTILE)
    return {
        "plain": plain,
        "long name": replace(
            plain, name="The Extraordinarily Long-Winded Company of Northwind, Sons, Daughters & Co. " * 2
        ),
        "logo": replace(plain, logo_url="https://www.example.com/logo.png", colour="#ffd400"),
        "no phone": replace(plain, phone=None, phone_hours=None, colour="#000000"),
        "hostile": replace(
            plain,
            name=hostile,
            phone=hostile,
            phone_hours=hostile,
            postal_address=hostile,
            sender=Sender(name=hostile, role=hostile),
        ),
    }


def documents(brand: Brand | None = None) -> Documents:
    """The documents that ship, with that brand."""
    found = shipped()
    return found if brand is None else replace(found, settings=replace(found.settings, brand=brand))


def person(language: str = "en", name: str = "Ada") -> Person:
    """A customer who reads that language."""
    known = Customer(
        person_id="p",
        email="ada@example.com",
        first_name=name,
        last_name="Byron",
        locale=LOCALES.get(language, language),
    )
    return Person(id="p", customer=replace(known, zone="America/New_York"))


def journey(subject: str = SUBJECT, words: str = WORDS, reference: str = "4711") -> Journey:
    """A journey in which everything has happened that a mail may tell of."""
    proposal = Proposal(number=1, action=f"A new one.\n{subject}", by="ana", due_at=NOW + 3 * A_DAY, proposed_at=NOW)
    return Journey(
        id="j",
        stage=Stage.RECOVERING,
        person_id="p",
        case=Case(source="desk", case_id=reference, epoch=1, subject=subject),
        touches=(
            Touch(id="survey", kind="survey", due_at=NOW, latest_at=NOW + A_DAY, window=14 * A_DAY, sent_at=NOW),
            *(_touch(kind) for kind in CUSTOMERS if kind != "survey"),
        ),
        answers=(
            Answer(id="a", touch_id="survey", at=NOW, scores={"csat": 1}, words=words, negative=True, recovery=1),
        ),
        recoveries=(
            Recovery(
                number=1,
                severity="P2",
                why="negative_answer",
                opened_at=NOW,
                owner="ana",
                answers=("a",),
                proposals=(proposal,),
            ),
        ),
    )


def _touch(kind: str) -> Touch:
    return Touch(
        id=kind,
        kind=kind,
        due_at=NOW,
        latest_at=NOW + A_DAY,
        window=14 * A_DAY,
        step="loyalty",
        recovery=1,
        number=1,
        text="" if kind == "thank-you" else "I am sorry.\n\nThis is on us.",
        by="ines" if kind in {"apology", "thank-you"} else "",
    )


def write(kind: str, told: Journey, reader: Person, known: Documents, **touch):
    """The mail of that kind as `Letters` writes it: its words and its envelope."""
    letters = Letters(LINKS, "care@example.com", "help@example.com", "eu-central-1")
    if kind == "staff-notice":
        notice = NotifyStaff("notice", "j", "ana", "answered_again", about="a", due=NOW + A_DAY)
        return letters.to_staff(notice, known.staff.members[0], told, reader, known, NOW)
    if kind == "sign-in":
        effect = SendSignIn("sign-in/1", "ana", "1", NOW + timedelta(minutes=10))
        return letters.sign_in(effect, known.staff.members[0], known.settings.brand, NOW)
    found = told.touch(kind)
    assert found is not None, f"{kind}: give CLASS_OF its class"
    return letters.to_customer(replace(found, **touch), told, reader, known, NOW)


class Page(HTMLParser):
    """What a reader of a page or a mail gets to see or hear, and whether its tags are closed in order."""

    _VOID = frozenset({"meta", "img", "br", "input", "link", "hr"})
    _SPOKEN = frozenset({"alt", "aria-label", "title", "placeholder"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.wrong: list[str] = []
        self._open: list[tuple[str, str]] = []
        self.feed(source)
        self.close()
        self.wrong += [f"<{tag}> is never closed" for tag, _ in self._open]

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        self.texts += [text for name, text in attrs if name in self._SPOKEN and text]
        self.links += [given["href"]] if tag == "a" and given.get("href") else []
        if tag not in self._VOID:
            self._open.append((tag, given.get("class") or ""))

    def handle_endtag(self, tag):
        if not self._open or self._open.pop()[0] != tag:
            self.wrong.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        inside = {tag for tag, _ in self._open} | {name for _, classes in self._open for name in classes.split()}
        if not inside & {"style", "script", "tongues"}:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


__all__ = ["CUSTOMERS", "HOSTILE", "KINDS", "LANGUAGES", "LINKS", "NOW", "PAGES", "TO_STAFF", "Link", "Page", "Sender"]
