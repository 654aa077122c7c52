"""Log a failure: one short form, and the recovery is open."""

from secrets import token_hex
from typing import Any

import msgspec
from chalice import Response

from chalicelib.entry import act_form
from chalicelib.entry.act_form import WrongField
from chalicelib.entry.api import failures
from chalicelib.entry.api.problems import problem_of
from chalicelib.entry.console.house import Visit
from chalicelib.entry.decode import BadInput
from chalicelib.journey.errors import ActRefused

CHANNELS = (("counter", "At the counter"), ("phone", "On the phone"), ("social", "In public"), ("other", "Elsewhere"))
#: What to write instead, by the field that is wrong; what is not here is too long.
_WRONG = {
    "words": "Please say what happened, in at most 8,000 characters.",
    "channel": "Please choose where they said it.",
    "email": "That is no mail address. One looks like lee@example.com.",
    "gesture": "An amount is written like 25.00.",
    "currency": "An amount needs its currency: three letters, such as USD.",
}
_TOO_LONG = "That is too long: 300 characters at most."
_AGAIN = "This was logged before, and nothing is added. For another one, open the form anew."
_PLAIN = ("words", "channel", "first_name", "last_name", "email", "subject", "team", "category", "remark_id")


def form(visit: Visit) -> Response:
    """Ask who, what they said, and where."""
    return _form(visit, {"remark_id": token_hex(16), "channel": "counter"})


def _form(visit: Visit, typed: dict[str, str], status: int = 200, alert: str = "", field: str = "") -> Response:
    """Show the form; ``alert`` says what is wrong, beside its ``field`` where there is one."""
    settings = visit.house.settings()
    fields = {**dict.fromkeys((*_PLAIN, "gesture", "currency"), ""), **typed}
    return visit.show(
        "failure",
        title="Log a failure",
        status=status,
        typed=fields,
        alert=alert,
        wrong={**dict.fromkeys(fields, ""), field: alert},
        channels=CHANNELS,
        most=settings.mandate.max,
    )


def log(visit: Visit) -> Response:
    """Log it; what is wrong comes back with what was typed."""
    fields = visit.fields
    try:
        logged = visit.call("failures.log", _told(fields))
    except ActRefused as error:
        return _form(visit, fields, 409, error.explanation)
    except WrongField as error:
        return _form(visit, fields, 422, str(error), "gesture")
    except (BadInput, msgspec.ValidationError) as error:
        problem = problem_of(error)
        field = problem.field.rpartition(".")[2] if problem else ""
        return _form(visit, fields, 422, _WRONG.get(field, _TOO_LONG), field)
    if not logged.news:
        return visit.see(f"/console/journeys/{logged.journey_id}", _AGAIN)
    names = {member.id: member.name for member in visit.house.guard.staff().members}
    whose = f" It is {names.get(logged.owner, logged.owner)}'s." if logged.owner else ""
    return visit.see(f"/console/journeys/{logged.journey_id}", f"Logged: the recovery is open.{whose}")


def _told(fields: dict[str, str]) -> failures.Log:
    told: dict[str, Any] = {name: fields[name].strip() for name in _PLAIN if fields.get(name, "").strip()}
    if fields.get("gesture", "").strip():
        told["gesture"] = act_form.amount(fields["gesture"])
        told["currency"] = fields.get("currency", "").strip().upper()
    return msgspec.convert(told, failures.Log)
