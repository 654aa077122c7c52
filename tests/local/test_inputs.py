"""The files of a replay: what a case without a number is called, and how a mistake is refused before anything runs."""

import argparse
import json
from datetime import datetime, timedelta

import pytest

from chalicelib.journey import documents
from chalicelib.store.documents import shipped
from local import inputs, replay

CASES = "case_id,email,time_zone,resolved_at"
ANSWERS = "case_id,epoch,touch,hours_after_sending,score,answer,comment"
#: Two resolutions of A, the later one first; a Tuesday noon in Berlin, and one two months on.
TWICE = ["A,ann@example.com,Europe/Berlin,2026-05-05T10:00:00Z", "A,ann@example.com,Europe/Berlin,2026-03-03T11:00:00Z"]


def _write(path, head, *lines):
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def _run(tmp_path, *more, cases=TWICE, head=CASES, answers=(), answers_head=ANSWERS):
    """Run the command; returns its exit status."""
    files = [
        *("--cases", str(_write(tmp_path / "cases.csv", head, *cases))),
        *("--answers", str(_write(tmp_path / "answers.csv", answers_head, *answers))),
        *("--json", str(tmp_path / "out.json")),
        *("--ledger", str(tmp_path / "ledger.jsonl")),
    ]
    parser = argparse.ArgumentParser()
    replay.add_arguments(parser)
    return replay.run(parser.parse_args([*files, *more]))


def _summary(tmp_path):
    return json.loads((tmp_path / "out.json").read_text("utf-8"))


def _ledger(tmp_path):
    return [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text("utf-8").splitlines()]


def _surveys(tmp_path):
    return {
        (line["case"], line["epoch"]): datetime.fromisoformat(line["at"])
        for line in _ledger(tmp_path)
        if line["touch"] == "survey" and line["sent"]
    }


# -- cases without an epoch -----------------------------------------------------------------------------------


def _epochs(tmp_path, head, *lines):
    given = inputs.read(_write(tmp_path / "cases.csv", head, *lines))
    return [(m.type, m.data["case_id"], m.data["epoch"], f"{m.at:%m-%d}") for m in given.messages], given.cases


def test_resolutions_without_a_number_are_numbered_by_the_time_of_their_resolution(tmp_path):
    head = f"{CASES},reopened_at"
    lines = [f"{TWICE[0]},", f"{TWICE[1]},2026-04-01T09:00:00Z", "B,ben@example.com,,2026-04-02T10:00:00Z,"]
    assert _epochs(tmp_path, head, *lines) == (
        [
            ("case.resolved", "A", 1, "03-03"),
            ("case.reopened", "A", 1, "04-01"),
            ("case.resolved", "B", 1, "04-02"),
            ("case.resolved", "A", 2, "05-05"),
        ],
        3,
    )


def test_a_number_that_the_file_gives_is_kept_and_not_given_to_another(tmp_path):
    lines = [f"{TWICE[0]},1", f"{TWICE[1]},"]
    assert _epochs(tmp_path, f"{CASES},epoch", *lines) == (
        [("case.resolved", "A", 2, "03-03"), ("case.resolved", "A", 1, "05-05")],
        2,
    )


def test_a_row_that_stands_twice_is_one_case(tmp_path):
    assert _epochs(tmp_path, CASES, TWICE[0], TWICE[0], TWICE[1])[1] == 2


def test_two_resolutions_of_one_case_are_replayed_without_an_epoch_column(tmp_path):
    """The answers name no epoch either, and so are those to the first resolution."""
    answers = {"answers_head": "case_id,touch,hours_after_sending,score", "answers": ["A,survey,3,1"]}
    assert _run(tmp_path, **answers) == 0
    told = _summary(tmp_path)
    names = ("cases", "journeys", "answers", "answers_unused", "recoveries", "violations")
    assert {name: told[name] for name in names} == {
        "cases": 2,
        "journeys": 2,
        "answers": 1,
        "answers_unused": 0,
        "recoveries": 1,
        "violations": [],
    }
    acknowledged = [(line["case"], line["epoch"]) for line in _ledger(tmp_path) if "acknowledgement" in line["touch"]]
    assert acknowledged == [("A", 1)]


def test_an_answer_to_the_second_resolution_finds_it_without_an_epoch_in_the_cases(tmp_path):
    assert _run(tmp_path, answers=["A,2,survey,3,5,,"]) == 0
    assert (_summary(tmp_path)["answers"], _summary(tmp_path)["answers_unused"]) == (1, 0)


# -- mistakes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("A,1,survey,3,6,,", "score: '6' is no whole number from 1 to 5, as survey asks for"),
        ("A,1,survey,3,0,,", "score: '0' is no whole number from 1 to 5, as survey asks for"),
        ("A,1,survey,3,4.5,,", "score: '4.5' is no whole number from 1 to 5, as survey asks for"),
        ("A,1,survey,3,,,", "score: '' is no whole number from 1 to 5, as survey asks for"),
        ("A,1,survey,3,²,,", "score: '²' is no whole number from 1 to 5, as survey asks for"),
        ("A,1,fix_holds,3,2,,", "score: '2' is no whole number from 0 to 1, as fix_holds asks for"),
        ("A,1,recovery_rating,3,0,,", "score: '0' is no whole number from 1 to 5, as recovery_rating asks for"),
        ("A,1,first_return,3,9,,", "score: '9' is no whole number from 1 to 5, as first_return asks for"),
        ("A,1,loyalty,3,11,,", "score: '11' is no whole number from 0 to 10, as loyalty asks for"),
        ("A,1,another,3,11,,", "score: '11' is no whole number from 0 to 10, as another asks for"),
        ("A,1,proposal,3,,fine,", "answer: 'fine' is none of exceeds, meets, falls short, other"),
        ("A,1,proposal,3,,,", "answer: '' is none of exceeds, meets, falls short, other"),
        ("A,1,survey,soon,4,,", "hours_after_sending: 'soon' is no number of hours"),
        ("A,1,survey,nan,4,,", "hours_after_sending: 'nan' is not between 0 hours and ten years"),
        ("A,one,survey,3,4,,", "epoch: 'one' is no whole number"),
        (f"A,1,survey,3,4,,{'a' * 8001}", "comment: longer than 8000 characters"),
    ],
)
def test_a_bad_cell_of_the_answers_is_refused_by_file_line_and_column(tmp_path, capsys, line, why):
    assert _run(tmp_path, answers=["A,1,survey,3,4,,", line]) == 2
    assert capsys.readouterr().err == f"replay: {tmp_path}/answers.csv:3: {why}\n"
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("line", ["A,,loyalty,3,10,,", "A,1,fix_holds,3,0,,", "A,1,proposal,3,,falls short,"])
def test_what_a_touch_asks_for_is_taken_and_counted_when_nobody_asks(tmp_path, line):
    assert _run(tmp_path, "--until", "P2D", answers=[line]) == 0
    assert (_summary(tmp_path)["answers"], _summary(tmp_path)["answers_unused"]) == (0, 1)


@pytest.mark.parametrize("option", ["--json", "--ledger"])
def test_a_place_that_cannot_be_written_is_refused_before_the_run(tmp_path, capsys, option):
    assert _run(tmp_path, option, str(tmp_path / "nowhere" / "out")) == 2
    assert capsys.readouterr().err == f"replay: {tmp_path}/nowhere/out: cannot be written\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.csv", "cases.csv"]


def test_what_goes_wrong_during_the_run_is_one_line(tmp_path, capsys, monkeypatch):
    def broken(*_):
        raise replay.Broken("no form\nbehind the link")

    monkeypatch.setattr(replay.Replay, "_press", broken)
    assert _run(tmp_path, answers=["A,1,survey,3,4,,"]) == 1
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "replay: broke off: Broken: no form behind the link\n")


# -- with other documents -------------------------------------------------------------------------------------


def _changed(tmp_path, kind, change):
    document = json.loads(shipped(kind))
    change(document)
    path = tmp_path / f"{kind}.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def test_a_cadence_that_asks_a_day_later_moves_every_survey_by_a_day(tmp_path):
    assert _run(tmp_path) == 0
    before = _surveys(tmp_path)
    later = _changed(tmp_path, "cadence", lambda cadence: cadence["survey"].update(after="PT48H"))
    assert _run(tmp_path, "--cadence", later) == 0
    assert set(before) == {("A", 1), ("A", 2)}
    assert _surveys(tmp_path) == {case: at + timedelta(days=1) for case, at in before.items()}


def test_answers_are_held_against_the_cadence_that_is_replayed(tmp_path, capsys):
    def recommend(cadence):
        cadence["survey"]["questions"] = [{"measure": "nps", "text": "Would you recommend us?", "required": True}]

    nps = _changed(tmp_path, "cadence", recommend)
    assert _run(tmp_path, "--cadence", nps, answers=["A,1,survey,3,9,,"]) == 0
    assert _summary(tmp_path)["answers"] == 1
    assert _run(tmp_path, answers=["A,1,survey,3,9,,"]) == 2
    assert "score: '9' is no whole number from 1 to 5, as survey asks for" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "kind"),
    [("--cadence", "cadence"), ("--playbook", "playbook"), ("--settings", "settings"), ("--staff-directory", "staff")],
)
def test_every_document_may_be_another(tmp_path, monkeypatch, option, kind):
    seen, summary = [], replay.summary

    def watched(done, *more):
        active = done.stack.wiring.documents.active
        seen.append({one: active(one, done.stack.clock.now) for one in documents.KINDS})
        return summary(done, *more)

    monkeypatch.setattr(replay, "summary", watched)
    assert _run(tmp_path, option, _changed(tmp_path, kind, lambda document: None)) == 0
    assert seen == [dict.fromkeys(documents.KINDS, 0) | {kind: 1}]
    assert _summary(tmp_path)["mails"] == {"reminder": 2, "survey": 2}


def test_a_bad_document_is_refused_by_its_field(tmp_path, capsys):
    bad = _changed(tmp_path, "cadence", lambda cadence: cadence["survey"].update(after="3 days"))
    assert _run(tmp_path, "--cadence", bad) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"replay: {tmp_path}/cadence.json: '3 days' is not a duration")
    assert told.endswith("`$.survey.after`\n")


def test_a_document_that_is_not_there_is_refused(tmp_path, capsys):
    assert _run(tmp_path, "--playbook", str(tmp_path / "none.json")) == 2
    assert capsys.readouterr().err == f"replay: {tmp_path}/none.json: No such file or directory\n"
