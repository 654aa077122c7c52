"""The forms in which staff do what a recovery asks for; how amounts and days are read as people write them."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.entry.decode import BadInput
from chalicelib.journey import clock, playbook
from chalicelib.journey.documents import Documents
from chalicelib.journey.events import StaffActed
from chalicelib.journey.state import Recovery
from chalicelib.store.audit import Verb

#: What is wrong with a field, as a person would put it.
_WRONG = {
    "amount": "An amount is written like 25.00.",
    "currency": "A currency is three letters, like USD.",
    "redress": "Please choose what it is: restitution or goodwill.",
    "due": "The day is written as year-month-day.",
    "text": "Please write at most 8,000 characters.",
    "cause": "Please write at most 8,000 characters.",
    "improvement": "Please write at most 8,000 characters.",
}
_SIGNS = re.compile(r"[\s$€£¥']")
_PLAIN = re.compile(r"(?P<whole>[0-9]{1,9})(?:[.,](?P<cents>[0-9]{1,2}))?")
_GROUPED = (
    re.compile(r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+)(?:\.(?P<cents>[0-9]{1,2}))?"),
    re.compile(r"(?P<whole>[0-9]{1,3}(?:\.[0-9]{3})+)(?:,(?P<cents>[0-9]{1,2}))?"),
)


class WrongField(BadInput):
    """What is wrong with one field of a form, in a plain sentence."""

    def __init__(self, field: str) -> None:
        """Keep which field it is."""
        super().__init__(_WRONG.get(field, "That form was not ours."))
        self.field = field


def verb(act: str, text: str, amount: str | None) -> Verb:
    """Return how the audit calls an act: what was delivered was spent, and what the customer reads was sent."""
    if act == "deliver" and amount:
        return "spent"
    return "sent" if act in {"apologise", "propose", "thank"} and text else "changed"


def verb_of(event: StaffActed) -> Verb:
    """Return how the audit calls an act that was done."""
    return verb(event.act, event.text, str(event.amount or ""))


def spent_by(event: StaffActed) -> str:
    """Return what an act spent, as the audit has it: ``25.00 USD``; nothing for one that spent nothing."""
    return f"{event.amount} {event.currency}" if verb_of(event) == "spent" else ""


def _field(name: str, label: str, kind: str = "text", **more: Any) -> dict[str, Any]:
    plain = {"options": [], "value": "", "required": False, "hint": None, "error": None}
    return {"name": name, "label": label, "kind": kind, **plain, **more}


_REDRESS = [{"value": "restitution", "label": "Restitution"}, {"value": "goodwill", "label": "Goodwill"}]
_KEPT = [{"value": "yes", "label": "The customer is kept"}, {"value": "no", "label": "The customer is lost"}]
_FIELDS: dict[str, list[dict[str, Any]]] = {
    "take": [],
    "apologise": [
        _field("text", "Your letter", "textarea", hint="Leave it empty if you apologised in person or on the phone.")
    ],
    "propose": [
        _field("text", "What we will do", "textarea", required=True),
        _field("due", "Done by", "date", required=True),
    ],
    "deliver": [
        _field("amount", "Amount", "money", hint="Leave it empty if it is not money."),
        _field("currency", "Currency", value="USD"),
        _field("redress", "What it is", "select", options=_REDRESS, value="restitution"),
    ],
    "thank": [_field("text", "Your words", "textarea", hint="Leave it empty for our usual thanks in your name.")],
    "debrief": [
        _field("cause", "The cause", required=True),
        _field("improvement", "The improvement, or why there is none", "textarea", required=True),
    ],
    "close": [_field("kept", "How it ended", "select", options=_KEPT, value="yes")],
}


def forms(
    documents: Documents, recovery: Recovery | None, typed: Mapping[str, str], wrong: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the form of the step that is next, and of making a better proposal while none is accepted.

    What was typed in a form that was refused stands in it again, even if its step is not the next one any more.
    """
    labels: dict[str, str] = {one.act: one.label for one in documents.playbook.steps}
    return filled_forms(possible(recovery, documents), labels, typed, wrong)


def possible(recovery: Recovery | None, documents: Documents) -> dict[str, tuple[str, str, bool]]:
    """Return what can be done next: the act, with its label, that of its button, and whether it is the main one."""
    shown: dict[str, tuple[str, str, bool]] = {}
    if recovery is not None and recovery.is_open:
        step = playbook.current(recovery, documents)
        if step is not None:
            shown[step.act] = (step.label, step.label, True)
        if recovery.proposal is not None and not recovery.proposal.accepted and recovery.when("deliver") is None:
            shown.setdefault("propose", ("Make a better proposal", "Send the new proposal", False))
    return shown


def filled_forms(
    shown: dict[str, tuple[str, str, bool]],
    labels: Mapping[str, str],
    typed: Mapping[str, str],
    wrong: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return the forms of what can be done; what was typed in one that was refused stands in it again."""
    shown = dict(shown)
    refused = typed.get("act", "")
    if any(field["kind"] != "select" and typed.get(field["name"], "") for field in _FIELDS.get(refused, [])):
        label = labels.get(refused, refused.capitalize())
        shown.setdefault(refused, (label, label, False))
    return [
        {
            "act": act,
            "label": label,
            "hint": None,
            "fields": _filled(_FIELDS[act], typed, wrong) if act == refused else _FIELDS[act],
            "submit_label": submit,
            "primary": primary,
            "open": act == refused,
        }
        for act, (label, submit, primary) in shown.items()
    ]


def _filled(fields: list[dict[str, Any]], typed: Mapping[str, str], wrong: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {**field, "value": typed.get(field["name"], field["value"]), "error": wrong.get(field["name"])}
        for field in fields
    ]


def acted(fields: Mapping[str, str], calendar: clock.Calendar) -> dict[str, Any]:
    """Return what a form says of an act, as the API takes it: amounts and days as people write them.

    Raises WrongField.
    """
    told: dict[str, Any] = {
        name: fields[name].strip()
        for name in ("act", "text", "currency", "redress", "cause", "improvement")
        if fields.get(name, "").strip()
    }
    if fields.get("amount", "").strip():
        told["amount"] = amount(fields["amount"])
    if "currency" in told:
        told["currency"] = told["currency"].upper()
    if fields.get("due"):
        told["due"] = _end_of_day(fields["due"], calendar).isoformat()
    if fields.get("kept") == "no":
        told["kept"] = False
    return told


def _end_of_day(day: str, calendar: clock.Calendar) -> datetime:
    """A promised day is kept until the end of its working hours."""
    try:
        date = datetime.strptime(day, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone until the next line
    except ValueError as error:
        raise WrongField("due") from error
    return datetime.combine(date, calendar.hours.end, tzinfo=clock.zone(calendar.zone))


def amount(typed: str) -> str:
    """Return an amount as the ledger writes it: ``$25``, ``25,00`` and ``1,250.00`` are amounts too."""
    plain = _SIGNS.sub("", typed)
    found = next((match for form in (_PLAIN, *_GROUPED) if (match := form.fullmatch(plain))), None)
    if found is None:
        raise WrongField("amount")
    return f"{int(re.sub('[.,]', '', found['whole']))}.{found['cents'] or '':0<2}"
