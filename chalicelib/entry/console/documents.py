"""The documents room: a form and the document side by side, its versions, what they lead to."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
from chalice import Response

from chalicelib.entry import document_form
from chalicelib.entry.api import documents as room
from chalicelib.entry.api import holidays as days
from chalicelib.entry.api import preview as rehearsed
from chalicelib.entry.api.operations import Nothing
from chalicelib.entry.api.problems import BadField, Problem, Refused, problem_of
from chalicelib.entry.console.house import Visit
from chalicelib.journey import clock
from chalicelib.journey.documents import KINDS, LANGUAGES
from chalicelib.journey.errors import BadDocument

ABOUT = {
    "cadence": "When customers are asked, and how their answers are weighed.",
    "playbook": "The steps of a recovery, their time targets, and whom delays are told.",
    "settings": "Brands and senders, working hours and closed days, limits and fuses.",
    "staff": "Who works here, and what they may do.",
}
_NO_COUNTRY = "The holidays of that country or region are not known here: choose one of the list, such as DE or DE/BY."
_LANGUAGE_NAMES = {
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "de": "German",
    "pt": "Portuguese",
    "ja": "Japanese",
    "ar": "Arabic",
}


def listing(visit: Visit) -> Response:
    """List the kinds of document with the versions that hold now and later."""
    found = visit.call("documents.listing", Nothing())
    return visit.show("documents", title="Documents", states=found.documents, about=ABOUT)


def edit(visit: Visit) -> Response:
    """Show the form and the document; of the version in force, or of the one that is asked for."""
    kind = _kind(visit)
    state = visit.call("documents.state", room.Which(kind))
    asked = visit.query("version")
    number = int(asked) if asked.isdecimal() and len(asked) < 9 else state.active  # noqa: PLR2004 - as versions have
    shown = visit.call("documents.version", room.OneVersion(kind, number))
    return _editor(visit, kind, state, shown.text, based_on=number)


def submit(visit: Visit) -> Response:
    """Check what was typed, in the form or in the text, or store it."""
    kind = _kind(visit)
    side, _, act = visit.fields.get("act", "").partition(":")
    state = visit.call("documents.state", room.Which(kind))
    (text, problem), based_on = _typed(visit, kind, side), _number(visit.fields.get("based_on", ""))
    if act != "store" or problem is not None:
        return _editor(visit, kind, state, text, based_on=based_on, was_checked=act == "check", problem=problem)
    try:
        stored = visit.call("documents.store", _new(visit, kind, text))
    except Exception as error:
        problem = problem_of(error)
        if problem is None:
            raise
        return _editor(visit, kind, state, text, based_on=based_on, problem=problem)
    said = f"Version {stored.version} of the {kind} is stored"
    return visit.see(
        f"/console/documents/{kind}/versions", f"{said}{_when_in_force(visit, stored.state, stored.version)}."
    )


def versions(visit: Visit) -> Response:
    """List the versions, and show what differs between two of them."""
    kind = _kind(visit)
    state = visit.call("documents.state", room.Which(kind))
    found = visit.call("documents.versions", room.History(kind, cursor=visit.query("cursor")))
    old, new = _version(visit.query("old") or "0"), _version(visit.query("new") or "0")
    lines = visit.call("documents.difference", room.Compared(kind, old, new)).lines if old != new else []
    names = {member.id: member.name for member in visit.house.guard.staff().members}
    return visit.show(
        "document-versions",
        title=f"Versions of the {kind}",
        kind=kind,
        state=state,
        versions=found.versions,
        next=found.next,
        old=old,
        new=new,
        lines=lines,
        names=names,
        zone=visit.zone,
        may_change=_may_change(visit, kind),
    )


def activate(visit: Visit) -> Response:
    """Put a version into force, now or later."""
    kind, number = _kind(visit), _version(visit.fields.get("version", ""))
    at = _instant(visit, visit.fields.get("at", ""))
    state = visit.call("documents.activate", room.Activation(kind, number, at))
    shown = f"Version {number} of the {kind}"
    return visit.see(f"/console/documents/{kind}/versions", f"{shown}{_when_in_force(visit, state, number)}.")


def call_off(visit: Visit) -> Response:
    """Call off what was planned."""
    kind = _kind(visit)
    visit.call("documents.call_off", room.Which(kind))
    return visit.see(f"/console/documents/{kind}/versions", "It is called off: what is in force stays in force.")


def preview(visit: Visit) -> Response:
    """Show every mail and page that a version leads to, in each language."""
    kind, number = _kind(visit), _version(visit.query("version") or "0")
    language = visit.query("language") if visit.query("language") in LANGUAGES else "en"
    found = visit.call("preview.listing", rehearsed.Asked(kind, number, language))
    names = [one.name for one in (*found.mails, *found.pages)]
    name = visit.query("name") if visit.query("name") in names else names[0]
    one = visit.call("preview.show", rehearsed.One(kind, number, name, language))
    return visit.show(
        "document-preview",
        title=f"Preview of the {kind}, {f'version {number}' if number else 'as shipped'}",
        kind=kind,
        version=number,
        language=language,
        languages=_LANGUAGE_NAMES,
        mails=found.mails,
        pages=found.pages,
        one=one,
        can_mail=visit.member is not None and visit.may("preview.test"),
    )


def preview_frame(visit: Visit) -> Response:
    """Give the mail or page itself, for the frame of the preview."""
    kind, number = _kind(visit), _version(visit.query("version") or "0")
    language = visit.query("language") if visit.query("language") in LANGUAGES else "en"
    asked = rehearsed.One(kind, number, visit.query("name"), language)
    return visit.framed(visit.call("preview.show", asked).html)


def test(visit: Visit) -> Response:
    """Mail oneself one of them."""
    kind, number = _kind(visit), _version(visit.fields.get("version", ""))
    language, name = visit.fields.get("language", ""), visit.fields.get("name", "")
    visit.call("preview.test", rehearsed.One(kind, number, name, language))
    back = f"/console/documents/{kind}/preview?version={number}&language={language}&name={quote(name)}"
    return visit.see(back, "It is on its way to your own address.")


def kept(visit: Visit) -> dict[str, str]:
    """Return the document that was typed, on whichever side, when the form that holds it cannot be taken."""
    kind = visit.parameters["kind"]
    if "text" not in visit.fields or kind not in KINDS:
        return {}
    given = visit.fields["text"].replace("\r\n", "\n")
    if visit.fields.get("act", "").startswith("text:"):
        return {"document": given}
    return {"document": document_form.document(kind, visit.fields, _held(given))}


# -- what they share -------------------------------------------------------------------------------------


def _kind(visit: Visit) -> str:
    kind = visit.parameters["kind"]
    if kind not in KINDS:
        raise Refused(404, "Not found", "There is no such document.")
    return kind


def _number(given: str) -> int:
    return int(given) if given.isdecimal() and len(given) < 9 else 0  # noqa: PLR2004 - as versions have


def _version(given: str) -> int:
    """Return the version that is named; raises BadField: what cannot be read must not become the one that ships."""
    if not given.isdecimal() or len(given) > 8:  # noqa: PLR2004 - as versions have
        name = "version"
        raise BadField(name, "say which one, by its number")
    return int(given)


def _may_change(visit: Visit, kind: str) -> bool:
    return visit.may("documents.store") and (kind != "staff" or visit.actor.role == "admin")


def _typed(visit: Visit, kind: str, side: str) -> tuple[str, Problem | None]:
    """Return what was typed: the text as it is, or the document that the fields of the form make of it.

    With it comes what was wrong with what was to be added: that must not cost what was typed.
    """
    given = visit.fields.get("text", "").replace("\r\n", "\n")
    if side == "text":
        return given, None
    try:
        fields, problem = _with_holidays(visit), None
    except (Refused, msgspec.ValidationError):
        fields, problem = visit.fields, Problem(422, "Unprocessable", _NO_COUNTRY, "country")
    return document_form.document(kind, fields, _held(given)), problem


def _with_holidays(visit: Visit) -> Mapping[str, str]:
    """Add the public holidays that were asked for to the closed days of the calendar, each once, in their order."""
    if visit.fields.get("act") != "form:holidays":
        return visit.fields
    country, _, region = visit.fields.get("country", "").strip().upper().partition("/")
    listed = {line.strip() for line in visit.fields.get("calendar.closed", "").splitlines() if line.strip()}
    found = visit.call("holidays.days", days.Asked(country, region)).days
    coming = {day.date for day in found if day.date >= visit.now.date().isoformat()}
    return {**visit.fields, "calendar.closed": "\n".join(sorted(listed | coming))}


def _new(visit: Visit, kind: str, text: str) -> room.New:
    when = visit.fields.get("when", "stored")
    at = _instant(visit, visit.fields.get("at", "")) if when == "at" else None
    if when == "at" and at is None:
        raise Refused(422, "Unprocessable", "Say from when on it is to be in force.", "at")
    after = visit.fields.get("newest", "")
    return room.New(
        kind,
        text,
        visit.fields.get("note", ""),
        after=int(after) if after.isdecimal() else None,
        activate=when == "now",
        activate_at=at,
    )


def _instant(visit: Visit, given: str) -> datetime | None:
    """Return the instant that a browser's field for one holds, in the zone of whoever typed it."""
    if not given:
        return None
    try:
        return datetime.fromisoformat(given).replace(tzinfo=clock.zone(visit.zone))
    except ValueError as error:
        raise Refused(422, "Unprocessable", "That is no day and hour.", "at") from error


def _when_in_force(visit: Visit, state: room.State, number: int) -> str:
    if state.active == number:
        return (
            " and in force for new journeys within a minute"
            if state.kind in {"cadence", "playbook"}
            else " and in force"
        )
    if state.planned == number and state.planned_at is not None:
        return f" and will be in force from {visit.when(state.planned_at)} on"
    return ", not in force"


def _editor(
    visit: Visit,
    kind: str,
    state: room.State,
    text: str,
    *,
    based_on: int,
    was_checked: bool = False,
    problem: Problem | None = None,
) -> Response:
    found = room.checked(kind, text)
    held = _held(text)
    wrong = None if found.good else BadDocument(found.detail, path=f"$.{found.field}" if found.field else "")
    return visit.show(
        "document",
        title=f"The {kind}",
        status=200 if found.good and problem is None else 422,
        kind=kind,
        state=state,
        about=ABOUT[kind],
        based_on=based_on,
        newest=visit.fields.get("newest", str(state.newest)),
        text=text,
        lines=text.count("\n") + 1,
        form=document_form.groups(kind, held, wrong) if held is not None else None,
        checked=found,
        was_checked=was_checked,
        problem=problem,
        note=visit.fields.get("note", ""),
        when_chosen=visit.fields.get("when", "stored"),
        at=visit.fields.get("at", ""),
        zone=visit.zone,
        may_change=_may_change(visit, kind),
        countries=days.choices() if kind == "settings" else [],
        country=visit.fields.get("country", ""),
    )


def _held(text: str) -> Any:
    """Return what JSON says, or None for a text that is none: then there is nothing to draw a form of."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
