"""The command line of ops and leads, against a deployment that really listens."""

import csv
import json
import stat
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from chalicelib.entry import rows
from chalicelib.entry.webhooks import key_of
from chalicelib.store.documents import shipped
from infra import client, importing
from infra.__main__ import COMMANDS, main
from infra.client import Client, Refused, target
from infra.failures import BadUsage, Unreachable
from tests.infra.served import KEY, served

EXAMPLES = Path(__file__).parents[2] / "examples"
CASE = {
    "case_id": "1",
    "customer_id": "c-1",
    "email": "ada@example.com",
    "first_name": "Ada",
    "resolved_at": "2026-03-01T10:00:00Z",
    "epoch": "1",
    "reopened_at": "",
}


@pytest.fixture(scope="module")
def deployment():
    with served() as made:
        yield made


@pytest.fixture
def run(deployment, monkeypatch, capsys):
    """Run a command with the right key; returns status, what was printed, and what was said besides."""
    monkeypatch.setenv("AFTERCARE_WEBHOOK_KEY", KEY)
    monkeypatch.setenv("AFTERCARE_URL", deployment.url)
    monkeypatch.setattr(client, "PAUSES", ())
    deployment.requests.clear()
    deployment.instead.clear()

    def command(*words):
        try:
            status = main([str(word) for word in words])
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return command


def _table(path, table, **how):
    with path.open("w", newline="", encoding=how.pop("encoding", "utf-8")) as file:
        writer = csv.DictWriter(file, list(table[0]), **how)
        writer.writeheader()
        writer.writerows(table)
    return path


# -- documents -------------------------------------------------------------------------------------------------


def test_a_document_is_shown_stored_activated_and_listed(run, tmp_path):
    status, document, _ = run("documents", "show", "cadence")
    assert (status, json.loads(document)) == (0, json.loads(shipped("cadence")))

    file = tmp_path / "cadence.json"
    file.write_text(document, "utf-8")
    stored = (0, "cadence version 1: active for new journeys within a minute\n", "")
    assert run("documents", "put", "cadence", file, "--by", "ines") == stored
    status, told, _ = run("documents", "put", "cadence", file, "--no-activate", "--json")
    assert (status, json.loads(told)) == (0, {"kind": "cadence", "version": 2, "active": False})

    _, listed, _ = run("documents", "history", "cadence", "--json")
    history = json.loads(listed)
    assert (history["active"], [(one["version"], one["by"]) for one in history["versions"]]) == (
        1,
        [(2, "api"), (1, "ines")],
    )
    activated = (0, "cadence version 0: active for new journeys within a minute\n", "")
    assert run("documents", "activate", "cadence", "0") == activated
    _, listed, _ = run("documents", "history", "cadence")
    assert [line.split()[0] for line in listed.splitlines()] == ["2", "1", "0"]
    assert listed.splitlines()[-1].split() == ["0", "active", "shipped"]


def test_what_is_wrong_with_a_document_is_said_by_field(run, tmp_path):
    document = json.loads(shipped("settings"))
    document["waking_hours"]["start"] = "21:00:00"
    document["waking_hours"]["end"] = "08:00:00"
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(document), "utf-8")
    status, printed, said = run("documents", "put", "settings", file)
    assert (status, printed) == (1, "")
    assert said == "refused (422): the hours must start before they end - at `$.waking_hours`, line 1\n"


def test_a_version_that_is_not_there_is_refused(run):
    assert run("documents", "activate", "staff", "9") == (1, "", "refused (404): staff has no version 9\n")


@pytest.mark.parametrize("text", [None, "", "{", "nonsense", "[" * 100_000], ids=lambda text: str(text)[:9])
def test_a_file_that_is_no_json_is_never_sent(run, deployment, tmp_path, text):
    file = tmp_path / "cadence.json"
    if text is not None:
        file.write_text(text, "utf-8")
    status, printed, said = run("documents", "put", "cadence", file)
    assert (status, printed, said.startswith(f"{file}: "), deployment.requests) == (2, "", True, [])


# -- importing -------------------------------------------------------------------------------------------------


def test_the_examples_are_taken_once_however_often_they_are_sent(run, tmp_path):
    with (EXAMPLES / "histories" / "cases.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))[:40]
    reopened = sum(1 for row in table if row["reopened_at"])
    path = _table(tmp_path / "cases.csv", table)
    told = {"rows": 40, "messages": 40 + reopened, "queued": 0, "refused": []}
    status, printed, _ = run("import", "cases", path, "--source", "cfpb", "--json")
    assert (status, json.loads(printed)) == (0, told | {"new": 40 + reopened, "known": 0})
    status, printed, _ = run("import", "cases", path, "--source", "cfpb", "--json")
    assert (status, json.loads(printed)) == (0, told | {"new": 0, "known": 40 + reopened})


@pytest.mark.parametrize("name", ["purchases.csv", "histories/purchases.csv"])
def test_both_forms_of_purchases_are_taken(run, tmp_path, name):
    with (EXAMPLES / name).open(encoding="utf-8") as file:
        path = _table(tmp_path / "purchases.csv", list(csv.DictReader(file))[:20])
    status, printed, _ = run("import", "purchases", path)
    assert (status, printed) == (0, "20 rows, 20 messages: 20 new, 0 known already\n")


def test_failures_may_have_lines_of_their_own(run, deployment, tmp_path):
    row = {
        "remark_id": "r-1",
        "email": "ada@example.com",
        "occurred_at": "2026-03-01",
        "words": 'It "broke",\nüber Nacht.',
    }
    path = _table(tmp_path / "failures.csv", [row], lineterminator="\r\n", encoding="utf-8-sig")
    assert run("import", "failures", path, "--source", "forum")[0] == 0
    (_, _, _, body) = deployment.requests[0]
    assert json.loads(body) == {
        "type": rows.failure_message(row, "forum")[0],
        "data": rows.failure_message(row, "forum")[1],
    }


def test_every_bad_line_is_named_and_nothing_is_sent(run, deployment, tmp_path):
    bad = [CASE, CASE | {"email": "ada"}, CASE | {"first_name": "A\nB", "resolved_at": "soon"}, CASE | {"epoch": "x"}]
    path = _table(tmp_path / "cases.csv", bad)
    status, printed, said = run("import", "cases", path)
    assert (status, printed, deployment.requests) == (2, "", [])
    assert said.splitlines() == [
        f"{path}: line 3: email: not a mail address",
        f"{path}: line 4: resolved_at: not a time as ISO 8601 writes it: 'soon'",
        f"{path}: line 6: epoch: not a whole number: 'x'",
        "Nothing was sent.",
    ]


def test_at_most_fifty_bad_lines_are_listed(run, tmp_path):
    path = _table(tmp_path / "cases.csv", [CASE | {"email": "ada"}] * 60)
    _, printed, said = run("import", "cases", path, "--json")
    assert len(said.splitlines()) == 51
    assert said.splitlines()[-1] == "10 more. Nothing was sent."
    assert (len(json.loads(printed)["problems"]), json.loads(printed)["sent"]) == (50, 0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: missing columns: case_id, resolved_at, customer_id or email"),
        ("case_id;email;resolved_at\n1;a@b.c;2026-03-01\n", "line 1: missing columns: case_id, resolved_at"),
        ("case_id,email,resolved_at,email\n1,a@b.c,2026-03-01,a@b.c\n", "line 1: columns that stand twice: email"),
        ("case_id,email,resolved_at\n1,a@b.c\n", "line 2: 2 cells where there are 3 columns"),
        ("case_id,email,resolved_at\n\n1,a@b.c,2026-03-01,x\n", "line 3: 4 cells where there are 3 columns"),
        (
            'case_id,email,resolved_at\n1,"a@b.c,2026-03-01\n',
            "line 2: unexpected end of data; nothing after it was read",
        ),
        (f"case_id,email,resolved_at\n1,{'x' * 40_000},2026-03-01\n", "line 2: field larger than field limit (32000)"),
        ("case_id,email,resolved_at\n1,a@b.c,2026\x00\n", "line 2: "),
    ],
    ids=["empty", "semicolons", "twice", "short", "long", "unclosed", "huge", "nul"],
)
def test_a_file_of_another_form_is_refused_with_its_reason(run, deployment, tmp_path, text, problem):
    path = tmp_path / "cases.csv"
    path.write_text(text, "utf-8")
    status, _, said = run("import", "cases", path)
    assert (status, said.startswith(f"{path}: {problem}"), deployment.requests) == (2, True, []), said


@pytest.mark.parametrize(
    ("raw", "why"), [(None, "No such file or directory"), (b"case_id\n\xff\n", "not UTF-8 at byte 8")]
)
def test_a_file_that_cannot_be_read_is_refused(run, tmp_path, raw, why):
    path = tmp_path / "cases.csv"
    if raw is not None:
        path.write_bytes(raw)
    assert run("import", "cases", path) == (2, "", f"{path}: {why}\n")


def test_unknown_columns_and_repeated_lines_are_said_and_do_no_harm(run, tmp_path):
    path = _table(tmp_path / "cases.csv", [CASE | {"case_id": "u-1", "mood": "bad"}] * 2)
    status, printed, said = run("import", "cases", path)
    assert (status, printed) == (0, "2 rows, 1 messages: 1 new, 0 known already\n")
    assert said.splitlines() == [
        f"{path}: columns that are not used: mood",
        f"{path}: line 3 says the same as line 2: told once",
    ]


def test_checking_alone_sends_nothing_and_needs_no_key(run, deployment, monkeypatch):
    monkeypatch.delenv("AFTERCARE_WEBHOOK_KEY")
    assert run("import", "cases", "--check", EXAMPLES / "cases.csv") == (0, "1499 rows, all good\n", "")
    assert deployment.requests == []


def test_what_the_deployment_refuses_is_listed_and_the_rest_is_taken(run, deployment, tmp_path):
    path = _table(tmp_path / "cases.csv", [CASE | {"case_id": f"r-{number}"} for number in range(3)])
    deployment.instead[:] = [(422, b'{"detail": "not today"}', {})]
    status, printed, _ = run("import", "cases", path)
    assert status == 1
    assert printed.splitlines() == [
        "line 2: refused (422): not today",
        "3 rows, 3 messages: 2 new, 0 known already, 1 refused",
    ]


def test_an_import_that_breaks_off_goes_on_when_it_is_sent_again(run, deployment, tmp_path):
    path = _table(tmp_path / "cases.csv", [CASE | {"case_id": f"b-{number}"} for number in range(4)])
    taken = deployment.answer
    deployment.answer = lambda *request: taken(*request) if len(deployment.requests) < 2 else (503, b"", {})
    try:
        status, _, said = run("import", "cases", path)
    finally:
        deployment.answer = taken
    assert (status, said.split("\n")[1]) == (3, "2 of 4 were taken; send the file again to go on")
    assert run("import", "cases", path)[:2] == (0, "4 rows, 4 messages: 2 new, 2 known already\n")


# -- the road to it --------------------------------------------------------------------------------------------


def test_every_request_is_signed_and_named_after_what_it_says(run, deployment):
    run("documents", "show", "staff")
    run("documents", "show", "staff")
    headers = [headers for _, _, headers, _ in deployment.requests]
    assert {"webhook-id", "webhook-timestamp", "webhook-signature"} <= headers[0].keys()
    assert headers[0]["webhook-id"] == headers[1]["webhook-id"]
    assert KEY not in repr(deployment.requests)


def test_another_key_is_refused_at_once(run, deployment, monkeypatch, tmp_path):
    monkeypatch.setenv("AFTERCARE_WEBHOOK_KEY", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    path = _table(tmp_path / "cases.csv", [CASE | {"case_id": f"k-{number}"} for number in range(5)])
    status, _, said = run("import", "cases", path)
    assert (status, "refused (401)" in said, len(deployment.requests)) == (1, True, 1)


def test_a_key_comes_from_a_file_or_the_environment_and_never_from_an_option(run, monkeypatch, tmp_path):
    monkeypatch.delenv("AFTERCARE_WEBHOOK_KEY")
    status, _, said = run("documents", "show", "staff")
    assert (status, said) == (2, "no key to sign with: give --key-file or set AFTERCARE_WEBHOOK_KEY\n")
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n", "utf-8")
    file.chmod(stat.S_IRUSR)
    assert run("documents", "show", "staff", "--key-file", file)[0] == 0
    assert run("documents", "show", "staff", "--key-file", tmp_path / "none")[0] == 2
    assert run("documents", "show", "staff", "--key", KEY)[0] == 2
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    file.write_text("whsec_short", "utf-8")
    assert run("documents", "show", "staff", "--key-file", file)[0] == 2


def test_nobody_there_is_another_status_than_a_refusal(run):
    status, printed, said = run("documents", "show", "staff", "--url", "http://127.0.0.1:9", "--timeout", "1")
    assert (status, printed, said.startswith("http://127.0.0.1:9 cannot be reached: ")) == (3, "", True)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (301, b"", "refused (301): nothing more was said"),
        (404, b"<html>Not here</html>", "refused (404): <html>Not here</html>"),
        (403, b'{"message": "Missing Authentication Token"}', "refused (403): Missing Authentication Token"),
        (200, b"<html>Welcome</html>", "refused (200): the reply is no JSON: is this a deployment of Aftercare?"),
    ],
)
def test_what_is_no_deployment_is_said_to_be_none(run, deployment, status, body, says):
    deployment.instead[:] = [(status, body, {"Location": "https://elsewhere.example.com/"})]
    assert run("documents", "show", "staff") == (1, "", f"{says}\n")
    assert len(deployment.requests) == 1


def test_who_is_busy_is_asked_again_after_longer_and_longer(deployment):
    waited = []
    asking = Client(target(deployment.url), key_of(KEY), pause=waited.append)
    deployment.instead[:] = [(429, b"", {}), (503, b"", {})]
    assert asking.call("GET", "/documents/staff")["active"] == 0
    assert waited == [1.0, 2.0]
    deployment.instead[:] = [(500, b"", {})] * 4
    with pytest.raises(Unreachable, match="answers 500"):
        asking.call("GET", "/documents/staff")
    assert all(later >= earlier for earlier, later in pairwise(waited[2:]))
    asking.close()


def test_a_refusal_is_not_asked_again(deployment):
    waited = []
    asking = Client(target(deployment.url), key_of(KEY), pause=waited.append)
    with pytest.raises(Refused):
        asking.call("POST", "/documents/staff/77/activate")
    assert waited == []
    asking.close()


@pytest.mark.parametrize(
    "url",
    [
        *("http://care.example.com", "http://192.0.2.1", "ftp://care.example.com", "care.example.com", "", "https://"),
        *("https://user:word@care.example.com", "https://care.example.com:x", "https://care.example.com/?a=b"),
    ],
)
def test_an_address_that_would_not_be_safe_is_wrong_usage(url):
    with pytest.raises(BadUsage):
        target(url)


def test_an_address_may_have_a_path():
    assert target("https://care.example.com/api/").shown == "https://care.example.com/api"


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("documents",),
        ("documents", "show"),
        ("documents", "show", "novel"),
        ("import", "answers", "x.csv"),
        ("fly",),
    ],
)
def test_wrong_usage_is_status_2(run, words):
    assert run(*words)[0] == 2


@pytest.mark.parametrize(
    "words", [(), *((each,) for each in COMMANDS), ("documents", "put"), ("import", "cases")], ids="-".join
)
def test_help_is_there_at_every_step(run, words):
    status, printed, _ = run(*words, "--help")
    assert (status, printed.startswith("usage: python -m infra")) == (0, True)


def test_it_runs_from_a_shell():
    command = [sys.executable, "-m", "infra", "import", "cases", "--check", "examples/cases.csv", "--json"]
    done = subprocess.run(command, cwd=EXAMPLES.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, {"rows": 1499, "messages": 1499}, "")


def test_progress_is_drawn_for_a_person_only(monkeypatch, capsys):
    importing._progress(5, 10)  # noqa: SLF001
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    importing._progress(5, 10)  # noqa: SLF001
    importing._progress(10, 10)  # noqa: SLF001
    assert capsys.readouterr().err == f"\r{'█' * 15}{'░' * 15} 5 of 10\r{'█' * 30} 10 of 10\n"
