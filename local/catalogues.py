"""The catalogues of translations: ``python -m local words`` (or ``make words``) brings them up to date.

Takes every text that is marked for translation out of the sources into ``chalicelib/locale/aftercare.pot``, merges it
into each language's ``aftercare.po`` (new texts come empty, gone ones go), compiles those, and takes what the seven
languages need of CLDR out of Babel. Babel is a tool of developers: nothing of it ships.
"""

import argparse
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.dates import get_timezone_location
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from chalicelib.effects.words import DOMAIN, LOCALE
from chalicelib.journey.documents import LANGUAGES
from chalicelib.store.documents import shipped

ROOT: Final = Path(__file__).parents[1]
POT: Final = LOCALE / f"{DOMAIN}.pot"
CLDR: Final = LOCALE / "cldr.json"
#: Where texts for customers stand. Pages of staff are in English only: the docs say so.
PYTHON: Final = ("chalicelib/effects", "chalicelib/entry")
TEMPLATES: Final = ("templates/email", "templates/pages")
#: A module that says anything to customers imports this one.
_SPEAKS: Final = re.compile(
    r"^from chalicelib\.effects(\.words)? import (\([^)]*|.*)\b(words|Words|N_)\b|^def N_", re.MULTILINE
)
#: A comment that begins so is for translators.
_COMMENT: Final = "Translators:"
_KEYWORDS: Final[dict[str, Any]] = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "N_": None,
    "text": None,
    "plural": (1, 2),
}
#: Catalogues of the same texts are the same bytes, whenever they were made.
_DATED: Final = datetime(2026, 1, 1, tzinfo=UTC)
#: The English of CLDR's world says dates as Aftercare does: Friday 15 May.
_CLDR_LOCALES: Final = {"en": "en_GB"}
#: CLDR has a third form for millions there, which no text of ours counts to.
_PLURALS: Final = {
    "es": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "pt": "nplurals=2; plural=(n > 1);",
}
_AREAS: Final = (
    "Africa",
    "America",
    "Antarctica",
    "Arctic",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
)


def languages() -> tuple[str, ...]:
    """Return the languages that have a catalogue: all but the source."""
    return tuple(language for language in LANGUAGES if language != "en")


def path(language: str) -> Path:
    """Return where the catalogue of a language lies."""
    return LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.po"


# -- texts -----------------------------------------------------------------------------------------------------


def source() -> Catalog:
    """Return every text that is marked for translation, with the files that show it."""
    catalogue = _empty(None)
    for place, message, comments in sorted(_marked(), key=lambda each: each[0]):
        catalogue.add(message, locations=[(place, 0)], auto_comments=comments)
    return catalogue


def _marked() -> Iterator[tuple[str, Any, list[str]]]:
    for folder in PYTHON:
        for file in sorted((ROOT / folder).rglob("*.py")):
            # Elsewhere `text(…)` means something else.
            if _SPEAKS.search(file.read_text("utf-8")):
                yield from _extracted(file, "python")
    for folder in TEMPLATES:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in {".html", ".txt"}:
                yield from _extracted(file, "jinja2.ext:babel_extract")
    for kind in ("cadence", "playbook", "settings", "staff"):
        for text in _said(json.loads(shipped(kind))):
            yield f"chalicelib/defaults/{kind}.json", text, []


def _extracted(file: Path, method: str) -> Iterator[tuple[str, Any, list[str]]]:
    place = file.relative_to(ROOT).as_posix()
    options = {"silent": "false", "newstyle_gettext": "true", "trimmed": "true"}
    with file.open("rb") as opened:
        for _, message, comments, _ in extract(method, opened, _KEYWORDS, [_COMMENT], options, strip_comment_tags=True):
            yield place, message, comments


#: The fields of documents that customers read.
_READ: Final = {"text", "opening", "phone_hours", "role"}


def _said(document: Any) -> Iterator[str]:
    """Yield the texts of a document of ours that customers read."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name in _READ and isinstance(value, str):
                yield value
            else:
                yield from _said(value)
    elif isinstance(document, list):
        for value in document:
            yield from _said(value)


def read(language: str) -> Catalog:
    """Return the catalogue of a language as it lies there, or an empty one."""
    if not path(language).exists():
        return _empty(language)
    with path(language).open("rb") as opened:
        return read_po(opened, locale=language, domain=DOMAIN)


def merged(language: str, found: Catalog) -> Catalog:
    """Return the catalogue of a language with the texts that there are now; guesses nothing."""
    old = read(language)
    catalogue = _empty(language)
    for message in found:
        if message.id:
            known = old.get(message.id)
            translated = known.string if known is not None and known.string else None
            comments = list(known.user_comments) if known is not None else []
            catalogue.add(
                message.id,
                translated,
                locations=message.locations,
                auto_comments=message.auto_comments,
                user_comments=comments,
            )
    return catalogue


def _empty(language: str | None) -> Catalog:
    catalogue = Catalog(
        locale=language,
        domain=DOMAIN,
        header_comment=f"# {language} words of Aftercare." if language else "# Texts of Aftercare that customers read.",
        project="Aftercare",
        version="1",
        msgid_bugs_address="CONTRIBUTING.md",
        creation_date=_DATED,
        revision_date=_DATED,
        last_translator="Aftercare",
        language_team=language or "",
        fuzzy=False,
    )
    if language in _PLURALS:
        catalogue.mime_headers = [("Plural-Forms", _PLURALS[language])]
    return catalogue


def as_po(catalogue: Catalog) -> bytes:
    """Return a catalogue as translators edit it."""
    written = io.BytesIO()
    write_po(written, catalogue, width=120, include_lineno=False, ignore_obsolete=True)
    return written.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    """Return a catalogue as gettext reads it."""
    written = io.BytesIO()
    write_mo(written, catalogue)
    return written.getvalue()


# -- CLDR ------------------------------------------------------------------------------------------------------


def calendars() -> bytes:
    """Return what the seven languages need of CLDR: names of days and months, patterns, the cities of zones."""
    found = {language: _calendar(_CLDR_LOCALES.get(language, language)) for language in LANGUAGES}
    return (json.dumps(found, ensure_ascii=False, indent=0, sort_keys=True) + "\n").encode()


def _calendar(name: str) -> dict[str, Any]:
    locale = Locale.parse(name)
    days, months = locale.days["format"]["wide"], locale.months["format"]["wide"]
    return {
        "weekdays": [days[number] for number in range(7)],
        "months": [months[number] for number in range(1, 13)],
        "day": _day(locale),
        "hour": "%H:%M",
        "cities": dict(_cities(locale)),
    }


def _day(locale: Locale) -> str:
    """Return CLDR's pattern of weekday, day and month, else of the whole date without its year, for `str.format`."""
    own = locale.datetime_skeletons.get("MMMMEEEEd")
    pattern = own.pattern if own else re.sub(r"(\s*'de')?\s*\by+年?", "", locale.date_formats["full"].pattern)
    fields = {"EEEE": "{weekday}", "MMMM": "{month}", "M": "{number}", "d": "{day}"}
    parts = re.findall(r"'([^']*)'|(EEEE|MMMM|M|d)|(.)", pattern)
    return "".join(fields.get(field, "") or quoted or other for quoted, field, other in parts).strip()


def _cities(locale: Locale) -> Iterator[tuple[str, str]]:
    """Yield the zones whose city the name of the zone does not give already."""
    # Of the pinned tzdata, not of this machine.
    for zone in sorted(resources.files("tzdata").joinpath("zones").read_text("utf-8").split()):
        if zone.startswith(_AREAS):
            city = get_timezone_location(zone, locale, return_city=True)
            if city != zone.rsplit("/", maxsplit=1)[-1].replace("_", " "):
                yield zone, city


# -- the command -----------------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no options: there is one way to be up to date."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Bring every catalogue up to date; returns 1 while a translation is missing, and says which."""
    del args
    found = source()
    POT.parent.mkdir(exist_ok=True)
    POT.write_bytes(as_po(found))
    CLDR.write_bytes(calendars())
    missing = 0
    for language in languages():
        catalogue = merged(language, found)
        path(language).parent.mkdir(parents=True, exist_ok=True)
        path(language).write_bytes(as_po(catalogue))
        path(language).with_suffix(".mo").write_bytes(as_mo(catalogue))
        absent = [message.id for message in catalogue if message.id and not complete(message.string)]
        missing += len(absent)
        print(f"{language}: {len(catalogue)} texts, {len(absent)} to translate")
        for each in absent:
            print(f"  {each}")
    return min(missing, 1)


def complete(string: Any) -> bool:
    """Say whether a translation is there, in all its forms."""
    return bool(string) and (isinstance(string, str) or all(string))
