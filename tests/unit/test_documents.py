import json
import re
from datetime import time, timedelta

import pytest

from chalicelib.journey import clock, documents
from chalicelib.journey.documents import Escalation, Targets
from chalicelib.journey.errors import BadDocument
from tests.unit.builders import raw, shipped


@pytest.mark.parametrize("kind", ["cadence", "playbook", "settings", "staff"])
def test_each_shipped_document_reads(kind):
    document = documents.read(kind, raw(kind))
    assert isinstance(document, documents.KINDS[kind])
    assert document.form == 1


def changed(kind: str, path: str, value) -> bytes:
    """The shipped document with one field set, or (value ...) taken away."""
    body = json.loads(raw(kind))
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    at = body
    for part in way:
        at = at[part]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return json.dumps(body).encode()


CSAT = {"measure": "csat", "text": "How was it?"}
NPS = {"measure": "nps", "text": "Recommend?"}
TAKE = {"act": "take", "label": "Take it", "target": {"P1": "PT1H", "P2": "PT1H", "P3": "PT1H"}}
RECOVERED = "tracks.after_recovery.steps"

#: Kind, field, value, message; "…" stands for a pattern that is nobody's matter here.
BAD = [
    # what a type says
    ("cadence", "form", 2, "Invalid enum value 2 - at `$.form`"),
    ("cadence", "form", ..., "Object missing required field `form`"),
    ("cadence", "survey.after", ..., "Object missing required field `after` - at `$.survey`"),
    ("cadence", "survey.after", 24, "Expected `str`, got `int` - at `$.survey.after`"),
    ("cadence", "survey.delay", "PT1H", "Object contains unknown field `delay` - at `$.survey`"),
    ("cadence", "name", "Not A Name", "Expected `str` matching regex … - at `$.name`"),
    ("cadence", f"{RECOVERED}.0.ask.0.measure", "mood", "Invalid enum value 'mood' - at `$.tracks.after_recovery.steps[0].ask[0].measure`"),  # noqa: E501 - a whole message
    ("cadence", "unanswered_checkins_before_human_try", 0, "Expected `int` >= 1 - at `$.unanswered_checkins_before_human_try`"),  # noqa: E501
    ("cadence", "loyalty.paid_purchases_min", 0, "Expected `int` >= 1 - at `$.loyalty.paid_purchases_min`"),
    ("playbook", "steps.0.act", "sue", "Invalid enum value 'sue' - at `$.steps[0].act`"),
    ("playbook", "escalation.0.tell", ["ceo"], "Invalid enum value 'ceo' - at `$.escalation[0].tell[0]`"),
    ("playbook", "failures_for_p1", 0, "Expected `int` >= 1 - at `$.failures_for_p1`"),
    ("settings", "brand.colour", "teal", "Expected `str` matching regex … - at `$.brand.colour`"),
    ("settings", "waking_hours.start", "nine", "Invalid RFC3339 encoded time - at `$.waking_hours.start`"),
    ("settings", "fatigue.max_survey_invites_365d", 0, "Expected `int` >= 1 - at `$.fatigue.max_survey_invites_365d`"),
    ("staff", "members", [], "Expected `array` of length >= 1 - at `$.members`"),
    ("staff", "members.0.rank", "boss", "Invalid enum value 'boss' - at `$.members[0].rank`"),
    # templates
    ("cadence", "survey.templates.1.name", "product", "two templates have the same name - at `$.survey.templates[1].name`"),  # noqa: E501
    ("cadence", "survey.templates.1.categories", [], "name at least one category of cases - at `$.survey.templates[1].categories`"),  # noqa: E501
    ("cadence", "survey.templates.0.categories.1", "Shipping", "the template 'product' is for 'shipping' too - at `$.survey.templates[1].categories[2]`"),  # noqa: E501
    ("cadence", "survey.templates.0.questions", [], "a page asks one to three items - at `$.survey.templates[0].questions`"),  # noqa: E501
    # durations
    ("cadence", "survey.after", "a day", "'a day' is not a duration such as PT24H, P14D or P2BD - at `$.survey.after`"),
    ("cadence", "survey.latest_useful", "P2BD", "'P2BD' counts business days where elapsed time is needed - at `$.survey.latest_useful`"),  # noqa: E501
    ("cadence", "survey.answer_window", "P0D", "this must be longer than nothing - at `$.survey.answer_window`"),
    ("cadence", "survey.reminders.0.after", "soon", "'soon' is not a duration such as PT24H, P14D or P2BD - at `$.survey.reminders[0].after`"),  # noqa: E501
    ("cadence", f"{RECOVERED}.0.after", "P2BD", "'P2BD' counts business days where elapsed time is needed - at `$.tracks.after_recovery.steps[0].after`"),  # noqa: E501
    ("cadence", f"{RECOVERED}.1.latest_useful", "", "'' is not a duration such as PT24H, P14D or P2BD - at `$.tracks.after_recovery.steps[1].latest_useful`"),  # noqa: E501
    ("cadence", f"{RECOVERED}.2.unknown", "?", "'?' is not a duration such as PT24H, P14D or P2BD - at `$.tracks.after_recovery.steps[2].unknown`"),  # noqa: E501
    ("cadence", f"{RECOVERED}.2.clamp.1", "?", "'?' is not a duration such as PT24H, P14D or P2BD - at `$.tracks.after_recovery.steps[2].clamp[1]`"),  # noqa: E501
    ("cadence", "loyalty.measured_at_least", "?", "'?' is not a duration such as PT24H, P14D or P2BD - at `$.loyalty.measured_at_least`"),  # noqa: E501
    ("cadence", "loyalty.within_clamp.0", "?", "'?' is not a duration such as PT24H, P14D or P2BD - at `$.loyalty.within_clamp[0]`"),  # noqa: E501
    ("playbook", "steps.1.target.P3", "48h", "'48h' is not a duration such as PT24H, P14D or P2BD - at `$.steps[1].target.P3`"),  # noqa: E501
    ("playbook", "lost_after_falls_short", "P30BD", "'P30BD' counts business days where elapsed time is needed - at `$.lost_after_falls_short`"),  # noqa: E501
    ("playbook", "idle_look_every", "PT0S", "this must be longer than nothing - at `$.idle_look_every`"),
    ("settings", "fatigue.any_gap", "?", "'?' is not a duration such as PT24H, P14D or P2BD - at `$.fatigue.any_gap`"),
    ("settings", "fatigue.look_again", "P0D", "this must be longer than nothing - at `$.fatigue.look_again`"),
    ("settings", "mail.settle_within", "?", "'?' is not a duration such as PT24H, P14D or P2BD - at `$.mail.settle_within`"),  # noqa: E501
    ("settings", "pause", "?", "'?' is not a duration such as PT24H, P14D or P2BD - at `$.pause`"),
    ("settings", "parked_at_most", "?", "'?' is not a duration such as PT24H, P14D or P2BD - at `$.parked_at_most`"),
    # order and number
    ("cadence", "survey.questions", [], "a page asks one to three items - at `$.survey.questions`"),
    ("cadence", "survey.questions", [CSAT, NPS, CSAT, NPS], "a page asks one to three items - at `$.survey.questions`"),
    ("cadence", "survey.questions", [CSAT, CSAT], "the same measure is asked twice - at `$.survey.questions`"),
    ("cadence", "survey.reminders.0.after", "P14D", "the reminder comes after the answer window has closed - at `$.survey.reminders[0].after`"),  # noqa: E501
    ("cadence", f"{RECOVERED}.3.ask", [], "a page asks one to three items - at `$.tracks.after_recovery.steps[3].ask`"),
    ("cadence", f"{RECOVERED}.1.id", "fix_holds", "two steps have the same id - at `$.tracks.after_recovery.steps`"),
    ("cadence", f"{RECOVERED}.1.id", "survey", "'survey' is the name of another mail - at `$.tracks.after_recovery.steps[1].id`"),  # noqa: E501
    ("cadence", f"{RECOVERED}.2.unknown", ..., "median_ipt needs `unknown`: what to use before a rhythm is known - at `$.tracks.after_recovery.steps[2].unknown`"),  # noqa: E501
    ("cadence", f"{RECOVERED}.2.clamp", ["P9D", "P1D"], "the lower bound comes first - at `$.tracks.after_recovery.steps[2].clamp`"),  # noqa: E501
    ("cadence", "loyalty.within_clamp", ["P9D", "P1D"], "the lower bound comes first - at `$.loyalty.within_clamp`"),
    ("playbook", "steps", [], "the first act is take and the last is close - at `$.steps`"),
    ("playbook", "steps.6", ..., "the first act is take and the last is close - at `$.steps`"),
    ("playbook", "steps.1", TAKE, "an act stands twice - at `$.steps`"),
    ("playbook", "escalation.1.at_percent", 50, "the percents must rise - at `$.escalation`"),
    # zones and hours
    ("settings", "default_zone", "Mars", "'Mars' is not an IANA time zone - at `$.default_zone`"),
    ("settings", "calendar.zone", "Mars", "'Mars' is not an IANA time zone - at `$.calendar.zone`"),
    ("settings", "waking_hours.end", "09:00:00", "the hours must start before they end - at `$.waking_hours`"),
    ("settings", "calendar.hours.end", "08:00:00", "the hours must start before they end - at `$.calendar.hours`"),
    ("settings", "calendar.weekdays", [], "weekdays are numbers from 1 (Monday) to 7, at least one - at `$.calendar.weekdays`"),  # noqa: E501
    ("settings", "calendar.weekdays", [0], "weekdays are numbers from 1 (Monday) to 7, at least one - at `$.calendar.weekdays`"),  # noqa: E501
    ("staff", "members.1.id", "ana", "two members have the same id - at `$.members`"),
    ("staff", "members.1.email", "jonas", "Expected `str` matching regex … - at `$.members[1].email`"),
    ("staff", "members.1.calendar", {"zone": "Mars", "hours": {"start": "09:00:00", "end": "17:00:00"}}, "'Mars' is not an IANA time zone - at `$.members[1].calendar.zone`"),  # noqa: E501
]  # fmt: skip


@pytest.mark.parametrize(("kind", "path", "value", "message"), BAD)
def test_a_bad_document_is_refused_and_its_field_named(kind, path, value, message):
    with pytest.raises(BadDocument) as refused:
        documents.read(kind, changed(kind, path, value))
    assert re.fullmatch(re.escape(message).replace("…", ".*"), str(refused.value))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (b'"measure": "csat"', b'"measure": "cast"', 9),
        (b'"id": "loyalty"', b'"ix": "loyalty"', 67),
        (b'"form": 1', b'"form": 1,,', 2),
        (b'"after": "P3D"', b'"after": "P30D"', 12),
    ],
)
def test_a_bad_document_names_the_line(old, new, line):
    with pytest.raises(BadDocument) as refused:
        documents.read("cadence", raw("cadence").replace(old, new, 1))
    assert refused.value.line == line


@pytest.mark.parametrize(("text", "line"), [(b"", 1), (b'{\n "form": 1,\n', 3), (b"[" * 90_000, 1), (b"\xff", 1)])
def test_a_text_that_is_no_json_names_the_line_at_which_it_stops_being_so(text, line):
    with pytest.raises(BadDocument) as refused:
        documents.read("cadence", text)
    assert refused.value.line == line


def test_a_kind_that_there_is_not_is_refused():
    with pytest.raises(BadDocument, match="'letter' is no kind of document; there are cadence, playbook, settings"):
        documents.read("letter", b"{}")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"form": NaN}'])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(BadDocument):
        documents.read("cadence", text)


def test_a_reminder_may_come_at_any_time_before_the_window_closes():
    read = documents.read("cadence", changed("cadence", "survey.reminders.0.after", "P13DT23H59M"))
    assert read.survey.reminders == (documents.Reminder(after="P13DT23H59M"),)


def test_a_step_is_found_on_either_track():
    cadence = shipped().cadence
    assert cadence.step("fix_holds") == cadence.tracks.after_recovery.steps[0]
    assert cadence.step("loyalty") == cadence.tracks.after_recovery.steps[3]
    assert cadence.step("") is None


def test_the_shipped_cadence_says_what_the_defaults_say():
    cadence = shipped().cadence
    assert (cadence.survey.after, cadence.survey.answer_window) == ("PT24H", "P14D")
    assert [reminder.after for reminder in cadence.survey.reminders] == ["P3D"]
    assert [(step.id, step.after, step.unknown, step.clamp) for step in cadence.tracks.after_recovery.steps] == [
        ("fix_holds", "P2D", None, None),
        ("recovery_rating", "P14D", None, None),
        ("first_return", "median_ipt", "P45D", ("P30D", "P180D")),
        ("loyalty", "p80_ipt", "P90D", ("P60D", "P365D")),
    ]
    assert [step.id for step in cadence.tracks.after_content_answer.steps] == ["first_return", "loyalty"]


def test_the_shipped_playbook_says_what_the_defaults_say():
    playbook = shipped().playbook
    assert {step.act: step.target for step in playbook.steps} == {
        "take": Targets(P1="PT1H", P2="PT4H", P3="P1BD"),
        "apologise": Targets(P1="PT4H", P2="P1BD", P3="P2BD"),
        "propose": Targets(P1="P1BD", P2="P2BD", P3="P3BD"),
        "deliver": Targets(P1="P2BD", P2="P2BD", P3="P2BD"),
        "thank": Targets(P1="P2BD", P2="P2BD", P3="P2BD"),
        "debrief": Targets(P1="P5BD", P2="P5BD", P3="P5BD"),
        "close": Targets(P1="P10BD", P2="P10BD", P3="P10BD"),
    }
    assert playbook.escalation == (
        Escalation(at_percent=50, tell=("agent",)),
        Escalation(at_percent=80, tell=("agent",)),
        Escalation(at_percent=100, tell=("agent", "lead")),
        Escalation(at_percent=150, tell=("head",)),
    )
    assert playbook.step("take").target.of("P2") == clock.Span(elapsed=timedelta(hours=4))
    assert playbook.step("dance") is None


def test_the_shipped_settings_say_what_the_defaults_say():
    settings = shipped().settings
    assert settings.waking_hours == clock.Window(time(9), time(18))
    assert settings.fatigue == documents.Fatigue(
        survey_gap="P30D",
        any_gap="P7D",
        checkin_gap="P7D",
        max_survey_invites_365d=6,
        checkins_max_per_failure=4,
        look_again="P1D",
    )
    assert settings.pause == "P30D"


def directory(*members: tuple[str, str, tuple[str, ...]]) -> documents.Staff:
    return documents.Staff(
        form=1,
        name="default",
        members=tuple(
            documents.StaffMember(id=name, name=name, email=f"{name}@example.com", role="Care", rank=rank, teams=teams)
            for name, rank, teams in members
        ),
    )


def test_a_team_is_answered_for_by_its_own_then_by_those_for_every_team_then_by_the_next_rank():
    staff = directory(
        ("amy", "agent", ("billing",)), ("bob", "agent", ("*",)), ("lea", "lead", ("billing",)), ("hal", "head", ("*",))
    )
    found = {
        (rank, team): [m.id for m in staff.of_rank(rank, team)]
        for rank in ("agent", "lead")
        for team in ("billing", "")
    }
    assert found == {
        ("agent", "billing"): ["amy"],
        ("agent", ""): ["bob"],
        ("lead", "billing"): ["lea"],
        ("lead", ""): ["hal"],
    }


def test_where_nobody_answers_for_a_team_the_first_of_the_directory_does():
    staff = directory(("amy", "agent", ("billing",)), ("bob", "agent", ("repairs",)))
    assert [member.id for member in staff.of_rank("head", "shipping")] == ["amy"]
    assert staff.member("zoe") is None
