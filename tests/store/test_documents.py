"""Versions of documents: one holds now, one may hold from a later instant on."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.journey.errors import BadDocument
from chalicelib.store.documents import DocumentStore, Pointer, Version, shipped
from chalicelib.store.errors import Conflict
from local.aws import Account
from local.provision import provision

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
MONDAY = NOW + timedelta(days=7)


@pytest.fixture
def new_store():
    account = Account(lambda: NOW)
    table = provision(account, "dev")["TABLE"]
    return lambda: DocumentStore(account.client("dynamodb"), table)


@pytest.fixture
def store(new_store):
    return new_store()


def named(name: str) -> bytes:
    return json.dumps({**json.loads(shipped("cadence")), "name": name}).encode()


def test_a_version_that_is_put_off_holds_from_its_instant_on_and_not_a_second_before(store):
    number = store.put("cadence", named("summer"), NOW, by="ines", activate=False)
    store.activate("cadence", number, NOW, at=MONDAY)
    moments = (NOW, MONDAY - timedelta(seconds=1), MONDAY, MONDAY + timedelta(days=400))
    assert [store.active("cadence", moment) for moment in moments] == [0, 0, 1, 1]


def test_a_process_that_read_the_pointers_just_before_switches_with_the_clock(store):
    store.put("cadence", named("summer"), NOW, by="ines", activate=False)
    store.activate("cadence", 1, NOW, at=MONDAY)
    assert store.active("cadence", MONDAY - timedelta(seconds=5)) == 0
    assert store.active("cadence", MONDAY) == 1


def test_what_is_planned_survives_a_change_that_holds_at_once(store):
    store.put("cadence", named("summer"), NOW, by="ines", activate=False)
    store.activate("cadence", 1, NOW, at=MONDAY)
    store.put("cadence", named("mended"), NOW, by="samir", activate=True)
    assert store.pointer("cadence") == Pointer(held=2, newest=2, next=1, next_at=MONDAY)


def test_what_has_come_is_rolled_back_like_any_other(store):
    store.put("cadence", named("summer"), NOW, by="ines", activate=False)
    store.activate("cadence", 1, NOW, at=MONDAY)
    store.activate("cadence", 0, MONDAY + timedelta(hours=1))
    assert store.pointer("cadence") == Pointer(held=0, newest=1)


def test_what_is_called_off_does_not_come(store):
    store.put("cadence", named("summer"), NOW, by="ines", activate=False)
    store.activate("cadence", 1, NOW, at=MONDAY)
    store.call_off("cadence", NOW)
    assert store.active("cadence", MONDAY) == 0


def test_calling_off_after_it_has_come_leaves_it_in_force(store):
    store.put("cadence", named("summer"), NOW, by="ines", activate=False)
    store.activate("cadence", 1, NOW, at=MONDAY)
    store.call_off("cadence", MONDAY)
    assert store.active("cadence", MONDAY) == 1


def test_kinds_are_planned_apart(store):
    store.put("cadence", named("summer"), NOW, by="ines", activate=False)
    store.activate("cadence", 1, NOW, at=MONDAY)
    assert store.pointer("playbook") == Pointer(held=0, newest=0)


def test_an_instant_that_has_passed_is_now(store):
    store.put("cadence", named("summer"), NOW, by="ines", activate=False)
    store.activate("cadence", 1, NOW, at=NOW - timedelta(minutes=1))
    assert store.pointer("cadence") == Pointer(held=1, newest=1)


def test_whoever_edited_an_older_version_is_told_and_nothing_is_stored(new_store):
    """Two leads open the same form; the second must not write over the first unseen."""
    new_store().put("cadence", named("first"), NOW, by="ines", activate=True, after=0)
    with pytest.raises(Conflict):
        new_store().put("cadence", named("second"), NOW, by="samir", activate=True, after=0)
    assert new_store().pointer("cadence") == Pointer(held=1, newest=1)


def test_a_bad_document_is_refused_before_anything_is_stored(store):
    with pytest.raises(BadDocument):
        store.put("cadence", b"{}", NOW, by="ines", activate=True)
    assert (store.history("cadence"), store.pointer("cadence")) == ([], Pointer(held=0, newest=0))


def test_no_version_that_there_is_not_can_be_planned(store):
    with pytest.raises(KeyError, match="cadence has no version 7"):
        store.activate("cadence", 7, NOW, at=MONDAY)


def test_the_history_comes_in_pages_newest_first(store):
    for number in range(1, 6):
        store.put("cadence", named(f"v{number}"), NOW, by="ines", activate=False, note=f"change {number}")
    first = store.history("cadence", limit=2)
    rest = store.history("cadence", before=first[-1].version, limit=9)
    assert [one.version for one in first] == [5, 4]
    assert [one.version for one in rest] == [3, 2, 1]
    assert first[0] == Version(version=5, by="ines", at=first[0].at, note="change 5")
    assert datetime.fromisoformat(first[0].at) == NOW
