"""The local stack's own pages: start, mailbox, journeys, clock. Plain HTML and forms; they work without scripts."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chalicelib.effects import letters
from chalicelib.effects.words import NAMES
from chalicelib.journey import budget, playbook
from chalicelib.journey.budget import REASONS
from chalicelib.journey.state import Journey, Person, Recovery, Touch, TouchKind
from local import replies, words
from local.stack import WEBHOOK_SECRET
from local.views import Known, Mail, Views, open_touches
from local.visitor import SUBJECTS

TEMPLATES = Path(__file__).parent / "templates"
KINDS = (*get_args(TouchKind), "staff-notice")
#: No script, nothing from elsewhere; a frame only for the mail beside it.
POLICY = "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; form-action 'self'; base-uri 'none'"
#: A mail is shown as a mail program would: its own styles, no scripts, no forms, its links in the whole window.
MAIL_POLICY = (
    "sandbox allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
)
_PAGE = 40
Query = Mapping[str, str]


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style() -> bytes:
    """Return the one style sheet."""
    return (TEMPLATES / "style.css").read_bytes()


def framed(mail: Mail) -> bytes:
    """Return the HTML part of a mail for the frame, with links that open in the whole window."""
    found = mail.part("html") or "<p>This mail has no HTML part.</p>"
    return found.replace("<head>", '<head><base target="_top">', 1).encode()


class Pages:
    """Writes the pages. Whoever calls holds the lock of the stack."""

    def __init__(self, views: Views) -> None:
        """Show what these views see."""
        self._views = views
        #: How many mails there were before the clock last moved: those after it are new.
        self.mails_before = 0
        #: Said once, on the next page that is shown.
        self.flash = ""

    # -- the pages ---------------------------------------------------------------------------------------

    def start(self, errors: Sequence[str] = (), typed: Query | None = None) -> bytes:
        """Where a visitor begins."""
        mails = self._views.mails()
        stages = self._views.stages()
        context = {
            "stages": [_stage(stage, number) for stage, number in stages.items()],
            "journeys": sum(stages.values()),
            "mails": [self._row(mail, number) for number, mail in _newest(mails)[:8]],
            "mail_count": len(mails),
            "recoveries": [self._to_work_on(*pair) for pair in self._views.open_recoveries()[:6]],
            "recovery_count": len(self._views.open_recoveries()),
            "failures": self._views.stack.failures[-5:],
            "staff": [member for member in self._views.documents().staff.members if member.may != "none"],
            "errors": list(errors),
            "base_url": self._views.stack.environment["BASE_URL"],
            "webhook_key": WEBHOOK_SECRET,
            "languages": NAMES,
            "categories": [
                {"category": one.categories[0], "name": f"the {one.name}"}
                for one in self._views.documents().cadence.survey.templates
            ],
            "subject": SUBJECTS["en"],
            "typed": {"first_name": "", "email": "", "subject": "", "language": "", "category": "", **(typed or {})},
        }
        return self._page("start", "/_local/", context)

    def mailbox(self, query: Query) -> bytes:
        """Every mail that went out, the newest first."""
        kind, to = query.get("kind", ""), query.get("to", "").strip()
        found = [
            (number, mail)
            for number, mail in _newest(self._views.mails())
            if kind in {"", mail.kind} and to.lower() in mail.to.lower()
        ]
        context = {
            "mails": [self._row(mail, number) for number, mail in _sheet(found, query)],
            "kinds": KINDS,
            "kind": kind,
            "to": to,
            **_paging("/_local/mail", {"kind": kind, "to": to}, len(found), query),
        }
        return self._page("mailbox", _here("/_local/mail", query), context)

    def mail(self, mail: Mail, query: Query, errors: Sequence[str] = ()) -> bytes:
        """One mail as HTML, as text and as source, and a box to answer it."""
        view = query.get("view", "html")
        named = [(name, str(mail.parsed[name])) for name in ("From", "To", "Reply-To") if mail.parsed[name]]
        context = {
            "mail": self._row(mail, 0),
            "headers": named,
            "view": view if view in {"text", "source"} else "html",
            "phone": query.get("width") == "phone",
            "text": mail.part("plain"),
            "source": mail.sent.raw.decode(errors="replace"),
            "answerable": replies.taken_by_us(mail),
            "longest": replies.LONGEST,
            "errors": list(errors),
        }
        return self._page("mail", _here(f"/_local/mail/{mail.id}", query), context)

    def journeys(self, query: Query) -> bytes:
        """Every journey, the newest first."""
        stage, search = query.get("stage", ""), query.get("q", "").strip()
        found = [
            journey
            for journey in reversed(self._views.journeys())
            if stage in {"", journey.stage.value} and self._matches(journey, search)
        ]
        context = {
            "journeys": [self._journey_row(journey) for journey in _sheet(found, query)],
            "stages": [_stage(one, number) for one, number in self._views.stages().items()],
            "stage": stage,
            "q": search,
            **_paging("/_local/journeys", {"stage": stage, "q": search}, len(found), query),
        }
        return self._page("journeys", _here("/_local/journeys", query), context)

    def journey(self, known: Known) -> bytes:
        """One journey: what happened, what is planned, what was not sent and why."""
        zone = _zone(known.person, known)
        journey = known.journey
        context = {
            "journey": self._journey_row(journey),
            "person": {**_person(known.person), "loyalty": _loyalty(known, zone)},
            "zone": words.place(zone),
            "lines": words.timeline(known, zone),
            "ahead": [_ahead(touch, zone) for touch in open_touches(journey)],
            "wake": words.when(journey.wake_at, zone) if journey.wake_at else "",
            "unsent": [_unsent(touch, zone) for touch in journey.touches if touch.status == "not sent"],
            "recoveries": [self._recovery(journey, recovery, known, zone) for recovery in journey.recoveries],
            "mails": [self._row(mail, 0, zone) for mail in reversed(known.mails)],
            "others": self._others(journey),
            "cadence": _pinned(journey.cadence),
            "playbook": _pinned(journey.playbook),
        }
        return self._page("journey", f"/_local/journeys/{journey.id}", context)

    def clock(self, errors: Sequence[str] = (), typed: str = "") -> bytes:
        """The clock with its buttons."""
        return self._page("clock", "/_local/clock", {"errors": list(errors), "typed": typed})

    def problem(self, title: str, detail: str) -> bytes:
        """What went wrong, and the way back."""
        return self._page("problem", "/_local/", {"title": title, "detail": detail})

    def _page(self, name: str, here: str, context: Mapping[str, Any]) -> bytes:
        template = _environment().get_template(f"{name}.html")
        flash, self.flash = self.flash, ""
        return template.render({**self._frame(here), "flash": flash, **context}).encode()

    def _frame(self, here: str) -> dict[str, Any]:
        """Return what every page shows: the clock, and where its buttons lead back to."""
        now, following = self._views.stack.clock.now, self._views.next_event()
        zone = self._views.documents().settings.default_zone
        return {
            "here": here,
            "now": words.when(now, zone),
            "now_utc": f"{now:%Y-%m-%d %H:%M} UTC",
            "zone": words.place(zone),
            "next": words.when(following, zone) if following else "",
            "later": f"{now + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}",
        }

    # -- its parts ---------------------------------------------------------------------------------------

    def _row(self, mail: Mail, number: int, zone: str = "") -> dict[str, Any]:
        return {
            "id": mail.id,
            "kind": mail.kind,
            "to": mail.to,
            "subject": mail.subject,
            "at": words.when(mail.sent.sent_at, zone or self._views.documents().settings.default_zone),
            "journey_id": mail.journey_id,
            "new": number > self.mails_before,
        }

    def _journey_row(self, journey: Journey) -> dict[str, Any]:
        person = self._views.person(journey.person_id)
        zone = self._views.documents().settings.default_zone
        case = journey.case
        return {
            "id": journey.id,
            "name": _person(person)["name"],
            "subject": (case.subject or case.issue or case.category) if case else "",
            "case": f"{case.case_id}{f', resolution {case.epoch}' if case.epoch > 1 else ''}" if case else "",
            "stage": journey.stage.value,
            "stage_words": words.STAGES[journey.stage.value],
            "born": words.when(journey.born_at, zone) if journey.born_at else "",
            "wake": words.when(journey.wake_at, zone) if journey.wake_at else "",
        }

    def _matches(self, journey: Journey, search: str) -> bool:
        row = self._journey_row(journey)
        where = (row["name"], row["subject"], row["case"], row["id"], self._views.person(journey.person_id).email)
        return search.lower() in "\n".join(where).lower()

    def _to_work_on(self, journey: Journey, recovery: Recovery) -> dict[str, Any]:
        documents = self._views.documents()
        owner = letters.owner_of(recovery, documents)
        step = playbook.current(recovery, documents)
        return {
            "url": self._views.work_url(journey.id, owner.id),
            "journey_id": journey.id,
            "name": _person(self._views.person(journey.person_id))["name"],
            "subject": self._journey_row(journey)["subject"],
            "severity": recovery.severity,
            "owner": owner.name,
            "step": step.label if step else "Close",
        }

    def _recovery(self, journey: Journey, recovery: Recovery, known: Known, zone: str) -> dict[str, Any]:
        owner = letters.owner_of(recovery, known.documents)
        return {
            "number": recovery.number,
            "severity": recovery.severity,
            "why": recovery.why.replace("_", " "),
            "owner": owner.name,
            "opened": words.when(recovery.opened_at, zone),
            "closed": words.when(recovery.closed_at, zone) if recovery.closed_at else "",
            "result": recovery.result.replace("_", " "),
            "url": self._views.work_url(journey.id, owner.id),
            "done": [done.act for done in recovery.done],
            "redress": [f"{line.amount} {line.currency} of {line.kind}" for line in recovery.redress],
        }

    def _others(self, journey: Journey) -> list[dict[str, Any]]:
        """The other journeys of the same person."""
        theirs = [one for one in self._views.journeys() if one.person_id == journey.person_id and one.id != journey.id]
        return [self._journey_row(one) for one in reversed(theirs)]


def _newest(mails: Sequence[Mail]) -> list[tuple[int, Mail]]:
    """Return the mails newest first, each with its number as it went out."""
    return list(enumerate(mails, start=1))[::-1]


def _stage(stage: str, number: int) -> dict[str, Any]:
    return {"id": stage, "words": words.STAGES[stage], "number": number}


def _person(person: Person) -> dict[str, str]:
    known = person.customer
    name = f"{known.first_name} {known.last_name}".strip() if known else ""
    return {
        "name": name or person.email or "Somebody",
        "email": person.email,
        "locale": known.locale if known else "",
    }


def _loyalty(known: Known, zone: str) -> str:
    """Return how loyal the customer is now, and until when that holds."""
    standing = known.standing
    until = f", until {words.when(standing.expires_at, zone)}" if standing.expires_at else ""
    return f"{standing.state}{until}"


def _zone(person: Person, known: Known) -> str:
    return budget.zone_of(person, known.documents)


def _pinned(document: tuple[str, int]) -> str:
    name, version = document
    return f"{name}, {f'version {version}' if version else 'as shipped'}" if name else ""


def _ahead(touch: Touch, zone: str) -> dict[str, str]:
    return {
        "name": words.touch_name(touch),
        "due": words.when(touch.due_at, zone),
        "latest": words.when(touch.latest_at, zone),
        "held": REASONS.get(touch.held, touch.held),
    }


def _unsent(touch: Touch, zone: str) -> dict[str, str]:
    at: datetime = touch.not_sent_at or touch.due_at
    why = REASONS.get(touch.reason, touch.reason)
    return {"name": words.touch_name(touch), "at": words.when(at, zone), "why": why}


def _number(query: Query) -> int:
    text = query.get("page", "1")
    return max(int(text), 1) if text.isascii() and text.isdecimal() and len(text) < 7 else 1  # noqa: PLR2004 - digits


def _sheet(found: Sequence[Any], query: Query) -> Sequence[Any]:
    first = (_number(query) - 1) * _PAGE
    return found[first : first + _PAGE]


def _paging(path: str, chosen: Query, total: int, query: Query) -> dict[str, Any]:
    """Return the links to the sheet before and after this one."""
    number = _number(query)

    def at(page: int) -> str:
        return _here(path, {**chosen, "page": str(page)})

    return {
        "total": total,
        "first": min((number - 1) * _PAGE + 1, total),
        "last": min(number * _PAGE, total),
        "newer": at(number - 1) if number > 1 else "",
        "older": at(number + 1) if number * _PAGE < total else "",
    }


def _here(path: str, query: Query) -> str:
    tail = urlencode({name: value for name, value in query.items() if value})
    return f"{path}?{tail}" if tail else path
