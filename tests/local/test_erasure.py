"""A person who is forgotten is found in nothing that is stored, logged or queued; only anonymous scores are left."""

import json
import logging
from datetime import timedelta

import pytest

from chalicelib.effects.erasing import CHUNK
from chalicelib.journey.events import AddressCorrected, ErasureAsked, ReplyReceived, person_id_of
from chalicelib.store import items
from local.observe import every_item
from local.stack import Stack
from tests.faults.world import DAY, HOUR, START, World

#: What may be found nowhere afterwards.
CANARY = {
    "customer_id": "canary-customer", "email": "canary@mail.example.org", "first_name": "Canary",
    "last_name": "Secretly", "time_zone": "America/New_York",
}  # fmt: skip
WORDS = ("It sang out of tune", "A canary is no parrot", "Never mind then", "CANARYSUBJECT")
MARKS = ("canary", "secretly", *(words.lower() for words in WORDS))
PERSON = person_id_of("canary-customer", "")


def everything(stack: Stack) -> str:
    """All that the table, the queues and the bucket hold, keys included, as one lower-case text."""
    stored = [repr(_unpacked(item)) for item in every_item(stack)]
    queued = [repr(message) for message in stack.account.sqs.__dict__.items()]
    bucket = stack.environment["MAIL_BUCKET"]
    kept = [
        stack.account.s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read().decode()
        for one in stack.account.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    ]
    return "\n".join([*stored, *queued, *kept]).lower()


def _unpacked(item):
    """Journeys are stored packed, where no mark could be seen."""
    is_journey = item["pk"]["S"].startswith("J#") and item["sk"]["S"] == items.STATE
    return item | {"body": {"B": items.journey_body(item)}} if is_journey else item


def found(world: World) -> list[str]:
    text = everything(world.stack)
    return [mark for mark in MARKS if mark in text]


def a_life(world: World) -> None:
    """Three journeys: a recovery with proposals and redress, one that is open, and a remark; and a purchase."""
    world.reactions = {
        "survey": lambda mail: world.once("bad", HOUR, lambda: world.answer(mail, WORDS[0], csat=1)),
        "notice-recovery-1-": lambda mail: world.once("work", HOUR, lambda: _work(world)),
        "proposal-1": lambda mail: world.once(
            "word", HOUR, lambda: world.press(mail.path("p"), {"choice": "other", "comment": WORDS[1]})
        ),
    }
    world.resolve("lamp", CANARY, subject=WORDS[3], category="billing", team="north", channel="mail")
    world.live(START + 12 * DAY)
    world.buy(CANARY, "order-1")
    world.remark("queue", CANARY, WORDS[2])
    world.resolve("lens", CANARY)
    raw = {"Bucket": world.stack.environment["MAIL_BUCKET"], "Key": "inbound/r1"}
    world.stack.account.s3.put_object(**raw, Body=b"From: canary@mail.example.org")
    reply = {"reply_id": "r1", "words": "Dear all, canary here", "raw": raw["Key"]}
    told = ReplyReceived(event_id="reply/r1", occurred_at=world.now, journey_id=world.journeys["lamp"], **reply)
    world.stack.wiring.desk.hand_in(told)
    world.live(START + 13 * DAY)


def _work(world: World) -> None:
    world.acts(
        "lamp",
        {"act": "take"},
        {"act": "apologise", "text": "Dear Canary, I am sorry."},
        {"act": "propose", "text": "A new canary by Friday."},
        every=timedelta(minutes=20),
    )


def forget(world: World) -> None:
    asked = ErasureAsked(event_id="erase/1", occurred_at=world.now, person_id=PERSON, by="ines")
    world.stack.wiring.desk.hand_in(asked)
    world.stack.settle()


@pytest.fixture
def world(caplog):
    caplog.set_level(logging.DEBUG)
    world = World({})
    a_life(world)
    return world


def test_after_an_erasure_nothing_of_the_person_is_found_anywhere(world, caplog):
    assert set(found(world)) == set(MARKS)
    forget(world)
    assert found(world) == []
    assert [mark for mark in MARKS if mark in caplog.text.lower()] == []
    progress = world.stack.wiring.erasures.progress(PERSON)
    assert (progress.journeys, progress.done_at) == (3, world.now)


def test_of_each_answer_an_anonymous_row_is_left_that_leads_nowhere(world):
    journeys = {world.journeys[name] for name in ("lamp", "lens", "queue")}
    forget(world)
    rows = [item for item in every_item(world.stack) if item["pk"]["S"].startswith("SCORES#")]
    told = sorted((row["what"]["S"], row["team"]["S"], row["category"]["S"], json.dumps(row["scores"])) for row in rows)
    assert told == [
        ("remark", "", "", '{"M": {}}'),
        ("survey", "north", "billing", '{"M": {"csat": {"N": "1"}}}'),
    ]
    assert not any(journey in repr(row) for row in rows for journey in journeys)
    assert "salt" not in repr([item for item in every_item(world.stack) if item["sk"]["S"] == "ERASURE"])


def test_what_is_told_again_of_a_forgotten_person_is_still_old_news_and_nothing_is_sent(world):
    forget(world)
    mails = len(world.mails)
    world.remark("queue", CANARY, WORDS[2])
    world.live(world.now + 30 * DAY)
    assert (len(world.mails), found(world), world.violations) == (mails, [], [])


def test_who_comes_back_begins_anew(world):
    forget(world)
    world.reactions = {}
    world.resolve("new", {**CANARY, "first_name": "Robin", "last_name": "Newname"})
    person = world.table.person(PERSON).value
    assert (person.customer.first_name, person.failures, person.contacts, person.erased_at) == ("Robin", (), (), None)
    assert world.table.journeys_of(PERSON) == [world.journeys["new"]]
    assert [place.pk for place in world.stack.wiring.lists.named("newname").places] == [f"P#{PERSON}"]
    forget_again = ErasureAsked(event_id="erase/2", occurred_at=world.now, person_id=PERSON, by="ines")
    world.stack.wiring.desk.hand_in(forget_again)
    world.stack.settle()
    assert ("newname" in everything(world.stack), found(world)) == (False, [])


def test_an_erasure_that_dies_at_any_of_its_steps_is_finished_by_who_looks_next():
    alone = World({})
    a_life(alone)
    before = len(alone.boundary.names)
    forget(alone)
    steps = [number for number, name in enumerate(alone.boundary.names) if number >= before and name == "erase"]
    assert len(steps) > 20
    for step in steps:
        world = World({step: "acts, then dies"})
        a_life(world)
        forget(world)
        world.live(world.now + DAY)
        rows = [item for item in every_item(world.stack) if item["pk"]["S"].startswith("SCORES#")]
        assert (found(world), len(rows)) == ([], 2), step


def test_a_corrected_address_is_where_the_next_mail_goes(world):
    right = AddressCorrected(
        event_id="right/1", occurred_at=world.now, person_id=PERSON, email="right@example.org", by="ana"
    )
    world.stack.wiring.desk.hand_in(right)
    world.reactions = {}
    world.live(world.now + 40 * DAY)
    sent_after = {mail.to for mail in world.mails if mail.sent_at > right.occurred_at and mail.kind != "staff-notice"}
    assert sent_after <= {"right@example.org"}


def test_a_person_of_many_journeys_is_forgotten_in_chunks_that_the_reconciler_goes_on_with():
    world = World({})
    for number in range(CHUNK + 2):
        world.resolve(f"lamp-{number}", CANARY, subject=WORDS[3])
    forget(world)
    progress = world.stack.wiring.erasures.progress(PERSON)
    assert (progress.journeys, progress.done_at) == (CHUNK, None)
    world.live(world.now + HOUR)
    progress = world.stack.wiring.erasures.progress(PERSON)
    assert (progress.journeys, progress.done_at is not None, found(world)) == (CHUNK + 2, True, [])
