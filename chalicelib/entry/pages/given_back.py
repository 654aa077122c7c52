"""What somebody filled in, shown again when it cannot be taken now, so that no word is lost."""

from typing import Any

from chalicelib.effects import letters, rendering
from chalicelib.effects.words import N_, Words
from chalicelib.entry.pages.answer_form import score
from chalicelib.journey.documents import SCALES

#: What a customer reads of the fields that they filled in.
_FIELDS = {
    "words": N_("Your words"),
    "comment": N_("Your words"),
    "call_back": N_("Please call me back"),
    "wrong": N_("Something is still wrong. Please put it right."),
    "choice": N_("Your view"),
    "scope": N_("What we may send you"),
    **dict.fromkeys(SCALES, N_("Your rating")),
}
_YES = N_("Yes")
SCOPES = {"asks": N_("No more questions or news"), "everything": N_("No mail at all")}
#: What a form carries besides what somebody filled in.
_CARRIED = {"view", "lang", "language"}


def given_back(fields: dict[str, str], said: Words) -> dict[str, Any]:
    """Show what somebody wrote, and carry it in the form, so that no word is lost."""
    shown = [
        {"label": said.text(_FIELDS[name]) if name in _FIELDS else name.replace("_", " ").capitalize(), **told}
        for name, value in fields.items()
        if value and name not in _CARRIED and (told := _told(name, value, said))
    ]
    hidden = [{"name": name, "value": value} for name, value in fields.items() if name not in _CARRIED]
    return {"fields": shown, "hidden": hidden, "view": fields.get("view", ""), "action": ""}


def _told(name: str, value: str, said: Words) -> dict[str, Any]:
    """Return what somebody chose as their page offered it, or what they wrote as they wrote it.

    Nothing for a pause: how long it is stands in settings that cannot be read now.
    """
    if name in {"call_back", "wrong"}:
        return {"value": said.text(_YES), "wrote": False}
    if name == "choice" and value in letters.WORDS:
        return {"value": said.text(letters.WORDS[value]), "wrote": False}
    if name == "scope":
        return {"value": said.text(SCOPES[value]), "wrote": False} if value in SCOPES else {}
    given = score(name, {name: value}) if name in SCALES else None
    if given is None:
        return {"value": value, "wrote": True}
    label = said.text(rendering.LABELS[name][given - SCALES[name][0]])
    alone = name == "solved" or label == value
    return {"value": label if alone else f"{value}: {label}", "wrote": False}
