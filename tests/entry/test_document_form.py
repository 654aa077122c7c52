"""A document as a form and back: what nobody touched stays as it was, and what somebody typed wrong is named."""

import json

import pytest

from chalicelib.entry import document_form as form
from chalicelib.entry.document_text import laid_out
from chalicelib.journey import documents
from chalicelib.journey.errors import BadDocument
from chalicelib.store.documents import shipped


def typed(part, into=None):
    """The fields that a browser sends for a form that nobody has touched."""
    into = {} if into is None else into
    if isinstance(part, form.Field):
        into[part.name] = part.value
        return into
    if part.is_row:
        into[f"{part.name}._row"] = "1"
    for inner in part.parts if part.present else ():
        typed(inner, into)
    return into


def opened(kind):
    held = json.loads(shipped(kind))
    return held, typed(form.groups(kind, held))


def find(part, name):
    if part.name == name:
        return part
    inner = (find(one, name) for one in getattr(part, "parts", ()))
    return next((one for one in inner if one is not None), None)


@pytest.mark.parametrize("kind", list(documents.KINDS))
def test_a_form_that_nobody_touched_makes_the_same_document(kind):
    held, fields = opened(kind)
    assert form.document(kind, fields, held) == laid_out(held)


def test_what_is_typed_stands_in_the_document_and_nothing_else_has_changed():
    held, fields = opened("cadence")
    fields |= {
        "survey.after": "P2D",
        "weighing.negative.csat_max": "3",
        "survey.cancel_if": "case_reopened\r\nspam\r\n",
    }
    held["survey"]["after"] = "P2D"
    held["weighing"]["negative"]["csat_max"] = 3
    held["survey"]["cancel_if"] = ["case_reopened", "spam"]
    assert json.loads(form.document("cadence", fields, held)) == held


def test_a_row_is_added_empty_at_the_end_of_its_list():
    held, fields = opened("staff")
    made = json.loads(form.document("staff", {**fields, "add": "members"}, held))
    assert made["members"][:-1] == held["members"]
    assert made["members"][-1] == {"id": "", "name": "", "email": "", "role": "", "rank": "", "teams": []}


def test_a_row_is_removed_and_the_others_keep_their_order():
    held, fields = opened("staff")
    made = json.loads(form.document("staff", {**fields, "members.1._remove": "yes"}, held))
    assert [one["id"] for one in made["members"]] == ["ana", "mei", "samir", "ines"]


def test_a_box_that_is_not_ticked_is_no():
    held, fields = opened("cadence")
    del fields["tracks.after_recovery.steps.0.part_of_recovery"]
    made = json.loads(form.document("cadence", fields, held))
    assert made["tracks"]["after_recovery"]["steps"][0]["part_of_recovery"] is False


def test_an_object_that_may_be_absent_comes_when_it_is_asked_for():
    held, fields = opened("staff")
    made = json.loads(form.document("staff", {**fields, "add": "members.0.calendar"}, held))
    assert "calendar" in made["members"][0]
    assert "calendar" not in made["members"][1]


def test_and_goes_when_it_is_removed():
    held, _ = opened("staff")
    held["members"][0]["calendar"] = {"zone": "Asia/Tokyo", "hours": {"start": "10:00:00", "end": "19:00:00"}}
    fields = typed(form.groups("staff", held))
    made = json.loads(form.document("staff", {**fields, "members.0.calendar._remove": "yes"}, held))
    assert "calendar" not in made["members"][0]


def test_what_is_no_number_stays_as_it_was_typed_and_is_named_beside_its_field():
    held, fields = opened("settings")
    text = form.document("settings", {**fields, "fatigue.max_survey_invites_365d": "six"}, held)
    with pytest.raises(BadDocument) as refused:
        documents.read("settings", text.encode())
    drawn = form.groups("settings", json.loads(text), refused.value)
    found = find(drawn, "fatigue.max_survey_invites_365d")
    assert (found.value, found.error) == ("six", "Expected `int`, got `str`")


def test_a_mistake_in_a_list_stands_beside_the_list():
    held, _ = opened("cadence")
    held["tracks"]["after_recovery"]["steps"][1]["id"] = "fix_holds"
    with pytest.raises(BadDocument) as refused:
        documents.read("cadence", json.dumps(held).encode())
    drawn = form.groups("cadence", held, refused.value)
    assert find(drawn, "tracks.after_recovery.steps").error == "two steps have the same id"


def test_the_word_that_closes_the_breaker_is_one_line_and_an_instant():
    held, fields = opened("settings")
    field = find(form.groups("settings", held), "breaker.judge_since")
    assert (field.kind, field.value) == ("line", "")
    said = json.loads(form.document("settings", {**fields, field.name: "2026-03-02T09:00:00Z"}, held))
    assert said["breaker"] == {**held["breaker"], "judge_since": "2026-03-02T09:00:00Z"}
    wrong = form.document("settings", {**fields, field.name: "today"}, held)
    with pytest.raises(BadDocument) as refused:
        documents.read("settings", wrong.encode())
    assert "judge_since" in str(refused.value)


@pytest.mark.parametrize(
    ("duration", "words"),
    [("PT24H", "1 day"), ("P3D", "3 days"), ("PT90M", "1 hour 30 minutes"), ("P2BD", "2 business days"), ("soon", "")],
)
def test_a_duration_is_said_in_words(duration, words):
    held, _ = opened("cadence")
    held["survey"]["after"] = duration
    assert find(form.groups("cadence", held), "survey.after").spoken == words


@pytest.mark.parametrize("held", [None, [], {}, {"survey": 3, "tracks": []}, {"weighing": {"urgent_words": "x"}}])
def test_a_document_of_any_shape_can_be_drawn(held):
    assert find(form.groups("cadence", held), "survey.after").value == ""


def test_every_hint_is_for_a_field_that_there_is():
    known = set()
    for kind in documents.KINDS:
        names = typed_and_groups(form.groups(kind, json.loads(shipped(kind))))
        known |= {
            ".".join([kind, *(part for part in name.split(".") if part and not part.isdigit())]) for name in names
        }
    assert set(form.HINTS) - known == set()


def typed_and_groups(part):
    yield part.name
    for inner in getattr(part, "parts", ()):
        yield from typed_and_groups(inner)


def test_a_further_brand_and_texts_in_several_languages_come_back_as_they_were():
    held = json.loads(shipped("settings"))
    south = {"id": "south", "teams": ["pianos"], "phone_hours": {"en": "mornings", "de": "morgens"}}
    held["brands"] = [held["brand"] | south | {"sender": {"name": "Ana", "role": {"en": "Care", "ar": "رعاية"}}}]
    made = json.loads(form.document("settings", typed(form.groups("settings", held)), held))
    assert made == held


def test_what_is_left_out_of_a_document_is_said_to_be_as_it_ships():
    settings = form.groups("settings", json.loads(shipped("settings")))
    assert find(settings, "mandate").usual == "percent 5, min 25, max 250"
    assert find(settings, "trust").usual.startswith("after delivery 5 seconds, after view 1 second")
    given = json.loads(shipped("settings")) | {"mandate": {"max": 100}}
    assert find(form.groups("settings", given), "mandate").usual == ""
    assert find(form.groups("staff", json.loads(shipped("staff"))), "members.0.calendar").usual == ""


def test_a_document_is_laid_out_as_those_that_ship_are():
    text = shipped("settings").decode()
    assert laid_out(json.loads(text)) == text
    assert laid_out({"a": [], "b": {}, "c": ["x" * 60, {"d": "y" * 60}]}) == (
        '{\n  "a": [],\n  "b": {},\n  "c": [\n    "' + "x" * 60 + '",\n    {"d": "' + "y" * 60 + '"}\n  ]\n}\n'
    )


def test_what_is_wrong_stands_beside_its_field_without_the_path_to_it():
    held = json.loads(shipped("cadence")) | {"name": 3}
    wrong = BadDocument("'3 days' is not a duration such as PT24H - at `$.survey.after`", path="$.survey.after")
    assert find(form.groups("cadence", held, wrong), "survey.after").error == "'3 days' is not a duration such as PT24H"
