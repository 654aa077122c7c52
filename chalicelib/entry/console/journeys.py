"""The rooms of journeys: the list, and one journey with all that is known of it and all that can be done about it."""

from itertools import groupby
from typing import Any

import msgspec
from chalice import Response

from chalicelib.entry import act_form
from chalicelib.entry.act_form import WrongField
from chalicelib.entry.api import journeys
from chalicelib.entry.api.problems import BadField
from chalicelib.entry.console import today
from chalicelib.entry.console.house import Visit
from chalicelib.journey.errors import ActRefused
from chalicelib.journey.state import Stage
from chalicelib.journey.trust import SUSPICIONS

#: A mail's own styles and pictures in data, no script, nothing from elsewhere; framed by our page alone.
_MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
_JUDGED = "Somebody has judged it before: the first judgement stands."
_DONE = {
    "take": "The recovery is yours.",
    "apologise": "Your apology is on its way, or noted as spoken.",
    "propose": "Your proposal is on its way.",
    "deliver": "Delivered, and written into the ledger.",
    "thank": "Your thanks will arrive in the customer's waking hours.",
    "debrief": "The debrief is kept.",
    "close": "Closed.",
}


def listing(visit: Visit) -> Response:
    """List journeys, the newest first: all, or those in one stage."""
    stage = visit.query("stage")
    found = visit.call("journeys.listing", journeys.Asked(stage=stage, cursor=visit.query("cursor")))
    stages = [one.value for one in Stage if one is not Stage.UNBORN]
    return visit.show("journeys", title="Journeys", found=found, stage=stage, stages=stages)


def show(visit: Visit) -> Response:
    """Show one journey."""
    return _journey(visit, {}, {})


def _journey(
    visit: Visit, typed: dict[str, str], wrong: dict[str, str], status: int = 200, alert: str = ""
) -> Response:
    journey_id = visit.parameters["journey_id"]
    found = visit.call("journeys.show", journeys.One(journey_id))
    shown = {one.act: (one.label, one.button, one.main) for one in found.possible}
    labels = {step.act: step.label for step in found.steps}
    return visit.show(
        "journey",
        title=found.case.subject if found.case and found.case.subject else "Journey",
        status=status,
        found=found,
        suspicions=SUSPICIONS,
        happened=_gathered(found.facts),
        recovery=found.recoveries[-1] if found.recoveries else None,
        forms=act_form.filled_forms(shown, labels, typed, wrong),
        alert=alert,
        names={member.id: member.name for member in visit.house.guard.staff().members},
        **{**today.beside(visit), "back": f"/console/journeys/{journey_id}"},
    )


def _gathered(facts: list[journeys.FactShown]) -> list[tuple[journeys.FactShown, int]]:
    """Return the facts, newest first, those that say the same one after the other as one with how many they are."""
    runs = [list(run) for _, run in groupby(reversed(facts), key=lambda fact: fact.text)]
    return [(run[0], len(run)) for run in runs]


def act(visit: Visit) -> Response:
    """Do one act of the recovery; what is refused comes back with what was typed."""
    fields = visit.fields
    try:
        asked = _acted(visit)
        visit.call("journeys.act", asked, once=True)
    except WrongField as error:
        return _journey(visit, fields, {error.field: str(error)}, 422, str(error))
    except msgspec.ValidationError as error:
        return _journey(visit, fields, {}, 422, str(error))
    except ActRefused as error:
        return _journey(visit, fields, {}, 409, error.explanation)
    return visit.see(f"/console/journeys/{asked.journey_id}", _DONE[asked.act])


def _acted(visit: Visit) -> journeys.Acted:
    member = visit.member
    calendar = (member.calendar if member else None) or visit.house.settings().calendar
    told: dict[str, Any] = act_form.acted(visit.fields, calendar)
    known = {"journey_id": visit.parameters["journey_id"], "seen": visit.fields.get("seen", "")}
    return msgspec.convert({**told, **known}, journeys.Acted)


def judge(visit: Visit) -> Response:
    """Say whether a person gave a suspect answer."""
    journey_id, verdict = visit.parameters["journey_id"], visit.fields.get("verdict", "")
    if verdict not in {"person", "machine"}:
        raise BadField("verdict", "say whether a person gave it")
    asked = {"journey_id": journey_id, "answer_id": visit.fields.get("answer", ""), "human": verdict == "person"}
    judged = visit.call("journeys.judge", msgspec.convert(asked, journeys.Judge))
    said = "It counts." if verdict == "person" else "It counts for nothing."
    return visit.see(f"/console/journeys/{journey_id}", said if judged.news else _JUDGED)


def stop(visit: Visit) -> Response:
    """End a journey by a lead's word."""
    why = visit.fields.get("why", "").strip()
    if not why:
        raise BadField("why", "say why it ends, for whoever asks later")
    journey_id = visit.parameters["journey_id"]
    stopped = visit.call("journeys.stop", journeys.Stop(journey_id, why[:2000]))
    said = "Stopped. Nothing more is sent in it." if stopped.news else "It had ended already: nothing has changed."
    return visit.see(f"/console/journeys/{journey_id}", said)


def resume(visit: Visit) -> Response:
    """Let a stopped journey go on."""
    journey_id = visit.parameters["journey_id"]
    visit.call("journeys.resume", journeys.One(journey_id))
    return visit.see(f"/console/journeys/{journey_id}", "It goes on.")


def mail(visit: Visit) -> Response:
    """Show a mail exactly as it was sent."""
    journey_id, touch_id = visit.parameters["journey_id"], visit.parameters["touch_id"]
    found = visit.call("journeys.mail", journeys.Mail(journey_id, touch_id))
    return visit.show("mail", title="Mail as sent", found=found, journey_id=journey_id, touch_id=touch_id)


def html(visit: Visit) -> Response:
    """Give the frame of a mail's own page: it may do nothing at all."""
    asked = journeys.Mail(visit.parameters["journey_id"], visit.parameters["touch_id"])
    found = visit.call("journeys.mail", asked)
    headers: dict[str, str | list[str]] = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Security-Policy": _MAIL_POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }
    return Response(found.html, headers=headers)
