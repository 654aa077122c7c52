"""Words: templates, and the values that they show. Knows no store and sends nothing."""

import sys
from base64 import b64encode
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.bccache import Bucket
from msgspec.structs import replace

from chalicelib.effects import words
from chalicelib.effects.envelope import Body
from chalicelib.effects.words import N_, Words
from chalicelib.effects.wrapping import wrap
from chalicelib.journey import budget
from chalicelib.journey.documents import SCALES, Brand, Documents, Question, StaffMember
from chalicelib.journey.state import Journey, Person

#: In the zip the templates lie beside chalicelib, as in the repository.
TEMPLATES = Path(__file__).parents[2] / "templates"

LABELS: dict[str, tuple[str, ...]] = {
    "csat": (N_("Very unhappy"), N_("Unhappy"), N_("Neither happy nor unhappy"), N_("Happy"), N_("Very happy")),
    "ces": (N_("Very difficult"), "2", "3", "4", "5", "6", N_("Very easy")),
    "nps": (N_("Not at all likely"), *(str(number) for number in range(1, 10)), N_("Extremely likely")),
    "come_back": (N_("Certainly not"), N_("Probably not"), N_("Perhaps"), N_("Probably"), N_("Certainly")),
    "heard": (N_("Not at all"), N_("A little"), N_("Partly"), N_("Mostly"), N_("Fully")),
    "fair": (N_("Not at all"), N_("A little"), N_("Partly"), N_("Mostly"), N_("Fully")),
    "solved": (N_("Not yet"), N_("Yes")),
}
#: How a template draws each measure.
DRAWN_AS = {
    "csat": "csat5",
    "ces": "scale5",
    "nps": "nps10",
    "come_back": "scale5",
    "heard": "scale5",
    "fair": "scale5",
    "solved": "yes_no",
}
#: The style sheets that a page has in one, in this order: what only staff see weighs on no customer's phone.
_SHEET: tuple[str, ...] = ("pages/style.css",)
_SHEETS = {"recovery": (*_SHEET, "pages/recovery.css")}


class Compiled(FileSystemBytecodeCache):
    """Templates as code, kept beside them as Python keeps modules: compiling those of one page takes 30 ms.

    A function on Lambda cannot write there; what was rendered before packaging ships with the templates. A changed
    template is compiled anew, for its checksum stands in the file.
    """

    def __init__(self) -> None:
        """Keep them where whatever cleans up after Python finds them."""
        super().__init__(str(TEMPLATES / "__pycache__"))

    def get_cache_key(self, name: str, filename: Path | str | None = None) -> str:
        """Return a key that does not hang on where the templates lie: they move when they are deployed."""
        del filename
        return super().get_cache_key(name)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep one, where that is possible and wanted."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                Path(self.directory).mkdir(exist_ok=True)
                super().dump_bytecode(bucket)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the one template environment: autoescape for HTML, and a missing variable is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        bytecode_cache=Compiled(),
        auto_reload=False,
    )
    made.globals |= {"_": words.gettext, "gettext": words.gettext, "ngettext": words.ngettext}
    made.filters |= {"wrap": wrap, "lines": str.splitlines}
    return made


def subject(kind: str, context: dict[str, Any]) -> str:
    """Render the subject of a mail, on one line."""
    return " ".join(environment().get_template(f"email/{kind}/subject.txt").render(context).split())


def mail(kind: str, context: dict[str, Any]) -> Body:
    """Render the three parts of a mail."""
    load = environment().get_template
    return Body(
        subject=subject(kind, context),
        text=load(f"email/{kind}/body.txt").render(context),
        html=load(f"email/{kind}/body.html").render(context),
    )


def page(name: str, brand: Brand, context: dict[str, Any], said: Words | None = None) -> tuple[str, str]:
    """Render a page in a language; returns it and the content security policy: its one style sheet and nothing else."""
    shown = {**frame(brand, said or words.words("en")), **context}
    return environment().get_template(f"pages/{name}.html").render(shown), _policy(
        brand.colour, _SHEETS.get(name, _SHEET)
    )


def console(name: str, context: dict[str, Any]) -> str:
    """Render a page of the console, in English; or, by its file's name, its style sheet or script."""
    file = name if "." in name else f"{name}.html"
    return environment().get_template(f"console/{file}").render(context)


@lru_cache(maxsize=16)
def _policy(colour: str, sheets: tuple[str, ...]) -> str:
    """Return the policy of a page: its sheets depend on the brand's colour and nothing else."""
    sheet = "".join(environment().get_template(name).render(brand={"colour": colour}) for name in sheets)
    digest = b64encode(sha256(sheet.encode()).digest()).decode()
    rules = (
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
    return "; ".join(rules)


def frame(brand: Brand, said: Words) -> dict[str, Any]:
    """Return what every mail and page shows, and the words that they are said in."""
    shown = replace(
        brand,
        phone_hours=said.said(brand.phone_hours) if brand.phone_hours else None,
        sender=replace(brand.sender, role=said.said(brand.sender.role)),
    )
    return {
        "brand": shown,
        "words": said,
        "lang": said.language,
        "dir": said.direction,
        "sender": shown.sender,
        "languages": words.NAMES,
    }


def brand_of(journey: Journey, documents: Documents) -> Brand:
    """Return the brand that this customer knows us by."""
    known = journey.case
    return documents.settings.brand_of(known.brand, known.team) if known else documents.settings.brand


def first_name(person: Person) -> str | None:
    """Return the first name, or None when it is unknown."""
    return (person.customer.first_name if person.customer else "") or None


def case(journey: Journey) -> dict[str, str]:
    """Return how a customer would recognise their case; the subject is empty when nobody gave one."""
    known = journey.case
    if known is None:
        return {"subject": "", "reference": ""}
    return {"subject": known.subject or known.issue or known.category, "reference": known.case_id}


def options(question: Question, selected: str = "", url: Any = None, said: Words | None = None) -> list[dict[str, Any]]:
    """Return the choices of a question, best last; for 'solved' the good answer comes first, as people expect it."""
    low, high = SCALES[question.measure]
    said = said or words.words("en")
    found = [
        {
            "value": value,
            "label": said.text(LABELS[question.measure][value - low]),
            "selected": str(value) == selected,
            **({"url": url(value)} if url else {}),
        }
        for value in range(low, high + 1)
    ]
    return found[::-1] if question.measure == "solved" else found


def staff(member: StaffMember, said: Words | None = None) -> dict[str, str]:
    """Return what a customer may know of a member of staff."""
    return {"name": member.name, "role": (said or words.words("en")).said(member.role)}


def day(instant: datetime, zone: str) -> str:
    """Return a date as staff say it, in English: ``Friday 15 May``."""
    return words.words("en").day(instant, zone)


def hour(instant: datetime, zone: str) -> str:
    """Return an instant as staff say it, in English: ``Tuesday 5 May, 17:00 (New York time)``."""
    return words.words("en").hour(instant, zone)


def customer_zone(person: Person, documents: Documents) -> str:
    """Return the zone in which this customer reads a time."""
    return budget.zone_of(person, documents)
