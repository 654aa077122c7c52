"""What a lead sees before it is sent: every mail that the documents lead to, at the instant that the rules give it."""

from datetime import UTC, datetime

from msgspec.structs import replace

from chalicelib.journey import rehearsal
from tests.unit.builders import shipped

TUESDAY = datetime(2026, 3, 3, 15, tzinfo=UTC)


def played(documents):
    return [(scene.name, f"{scene.at:%m-%d %H:%M}") for scene in rehearsal.scenes(documents, "en-US", TUESDAY)]


def test_the_shipped_documents_send_each_mail_once():
    assert played(shipped()) == [
        ("survey", "03-04 15:00"),
        ("reminder", "03-07 15:00"),
        ("acknowledgement", "03-07 15:00"),
        ("staff-notice", "03-07 15:00"),
        ("apology", "03-07 17:00"),
        ("proposal", "03-07 18:00"),
        ("thank-you", "03-07 22:00"),
        ("check-in: fix_holds", "03-09 19:00"),
        ("check-in: recovery_rating", "03-21 19:00"),
        ("check-in: first_return", "04-18 15:00"),
        ("check-in: loyalty", "06-02 15:00"),
        ("survey: product", "03-04 15:00"),
        ("survey: delivery", "03-04 15:00"),
    ]


def test_another_cadence_sends_at_other_times():
    documents = shipped()
    survey = replace(documents.cadence.survey, after="P2D", reminders=())
    changed = replace(documents, cadence=replace(documents.cadence, survey=survey))
    assert played(changed)[0] == ("survey", "03-05 15:00")
    assert "reminder" not in dict(played(changed))


def test_the_customer_of_a_rehearsal_speaks_the_language_that_is_asked_for():
    found = rehearsal.scenes(shipped(), "ar", TUESDAY)
    assert {scene.person.customer.locale for scene in found} == {"ar"}
