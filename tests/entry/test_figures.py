"""The figures through the API and the console."""

import csv
import io
import re
from datetime import timedelta

import pytest

from chalicelib.entry.console.figures import figure
from chalicelib.insight.statistics import Estimate, share
from chalicelib.journey.tally import Tally
from chalicelib.store.figures import entry_item
from tests.entry.conftest import ADA
from tests.entry.staff import ADDRESS, Browser

FORMULA = '=HYPERLINK("https://evil.example","x")'
_TAGS = re.compile(r"<[^>]+>|\s+")


def text_of(reply):
    return _TAGS.sub(" ", reply.body.decode())


@pytest.fixture
def told(stack):
    """Two journeys: one in a team with a dangerous name and one without, and a bad answer to the second's survey."""
    stack.resolved("1", team=FORMULA, category="delivery", channel="phone")
    stack.resolved("2", category="delivery", customer={**ADA, "customer_id": "c-2", "email": "bob@example.com"})
    stack.run_until(stack.clock.now + timedelta(days=2))
    bob = next(n for n, m in enumerate(stack.account.ses.sent) if "bob@example.com" in m.raw.decode())
    path = stack.path("a", bob)
    assert stack.press(path, csat="2", solved="0").status < 400
    stack.run_until(stack.clock.now + timedelta(hours=1))
    return stack


@pytest.fixture
def browser(told):
    return Browser(told).sign_in(ADDRESS["agent"])


@pytest.fixture
def lead(told):
    return Browser(told).sign_in(ADDRESS["lead"])


def figures(browser, query=""):
    reply = browser.get(f"/v1/figures{query}", accept="application/json")
    assert reply.status == 200, reply.body
    return reply.json()


def test_a_bad_answer_shows_as_answered_negative_and_recovered(lead):
    total = figures(lead)["total"]
    shown = {name: total[name] for name in ("journeys", "sent", "answered", "negatives", "recovered", "opened")}
    assert shown == {"journeys": 2, "sent": 2, "answered": 1, "negatives": 1, "recovered": 1, "opened": 1}
    assert total["csat"] == {"n": 1, "value": 0.0, "low": 0.0, "high": pytest.approx(0.7935, abs=1e-4)}


def test_days_without_anything_are_days_all_the_same(lead):
    report = figures(lead, "?first=2026-02-01&last=2026-03-10")
    assert [report["lines"][0]["name"], len(report["lines"])] == ["2026-02-01", 38]
    assert sum(line["sent"] for line in report["lines"]) == report["total"]["sent"] == 2


@pytest.mark.parametrize(
    ("by", "groups"),
    [("team", {FORMULA, "(none)"}), ("category", {"delivery"}), ("channel", {"phone", "(none)"})],
)
def test_groups_add_up_to_the_total(lead, by, groups):
    report = figures(lead, f"?by={by}")
    assert {line["name"] for line in report["lines"]} == groups
    assert sum(line["sent"] for line in report["lines"]) == report["total"]["sent"] == 2


def test_one_group_by_day_is_that_group(lead):
    assert figures(lead, "?only=channel:phone")["total"]["answered"] == 0
    assert figures(lead, "?only=channel:(none)")["total"]["answered"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("first=2026-03-10&last=2026-03-01", "first"),
        ("first=2025-01-01&last=2026-03-01", "first"),
        ("first=never", "first"),
        ("by=weather", "by"),
        ("only=north", "only"),
        ("only=team:north&by=team", "only"),
        ("until=2026-03-01", "until"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_and_its_field_named(lead, query, field):
    reply = lead.get(f"/v1/figures?{query}", accept="application/json")
    assert (reply.status, reply.json()["field"]) == (422, field)


def test_the_export_parses_and_no_cell_of_it_is_a_formula(lead):
    reply = lead.get("/v1/figures/export?by=team")
    rows = list(csv.DictReader(io.StringIO(reply.body.decode("utf-8-sig"))))
    assert [row["team"] for row in rows] == ["(none)", f"'{FORMULA}", "all"]
    assert [row["sent"] for row in rows] == ["1", "1", "2"]
    assert reply.headers["Content-Type"].startswith("text/csv")
    cells = [cell for row in csv.reader(io.StringIO(reply.body.decode("utf-8-sig"))) for cell in row]
    assert [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell and not _is_number(cell)] == []


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_the_page_shows_the_same_with_the_table_behind_the_drawing(lead):
    reply = lead.get("/console/figures?first=2026-03-01&last=2026-03-05")
    page = reply.body.decode()
    assert reply.status == 200
    assert "50% (9 to 91)" in text_of(reply)  # one of two answered
    assert (
        page.count("<svg viewBox") == 3
    )  # surveys, response, satisfied: nobody was asked for more, and no step of a recovery is due
    for drawing in re.findall(r'<svg viewBox.*?aria-labelledby="(\S+) (\S+)"', page):
        assert all(f'id="{part}"' in page for part in drawing)
    assert "The table behind it" in page
    assert "style=" not in page


def test_a_group_is_escaped_and_leads_to_its_days(lead):
    page = lead.get("/console/figures?by=team").body.decode()
    assert "=HYPERLINK(&#34;https://evil.example&#34;,&#34;x&#34;)" in page
    assert "only=team%3A%3DHYPERLINK" in page


def test_a_wrong_day_is_told_beside_its_field_and_the_usual_days_are_shown(lead):
    reply = lead.get("/console/figures?first=yesterday")
    assert reply.status == 422
    assert "Please give a day as 2026-12-31." in text_of(reply)
    assert "Surveys sent" in text_of(reply)


def test_an_agent_sees_the_figures_and_may_not_have_them_added_up_anew(browser):
    page = browser.get("/console/figures")
    assert (page.status, "Add up anew" in page.body.decode()) == (200, False)
    assert browser.press("/console/figures/rebuild").status == 403


def test_an_admin_has_them_added_up_anew_and_they_are_the_same(told):
    admin = Browser(told).sign_in(ADDRESS["admin"])
    query = "?first=2026-03-01&last=2026-03-10"
    before = figures(admin, query)
    admin.get("/console/figures")
    assert admin.press("/console/figures/rebuild").status == 303
    assert "added up anew" in text_of(admin.get("/console/figures"))
    assert admin.press("/console/figures/rebuild").status == 409
    told.run_until(told.clock.now + timedelta(hours=1))
    assert told.wiring.figures.generations().shown == 2
    assert figures(admin.sign_in(ADDRESS["admin"]), query) == before


def test_a_negative_score_stays_a_number_in_the_export(told):
    day = told.clock.now.date().isoformat()
    change = Tally("north", "x", "mail", {day: {"begun": 1, "score/check-in:loyalty/nps/0": 1}})
    item = entry_item("J#x", "y", told.clock.now, change)
    told.account.dynamodb.put_item(TableName=told.environment["TABLE"], Item=item)
    told.run_until(told.clock.now + timedelta(hours=1))
    reply = Browser(told).sign_in(ADDRESS["lead"]).get("/v1/figures/export?by=team")
    rows = {row["team"]: row for row in csv.DictReader(io.StringIO(reply.body.decode("utf-8-sig")))}
    assert (rows["north"]["nps"], rows["north"]["nps_n"]) == ("-100.0", "1")


@pytest.mark.parametrize("days", [1, 93])
def test_a_page_asks_the_table_as_often_and_reads_as_much_whatever_the_number_of_journeys(stack, days):
    """A hundred thousand journeys are the same cells, whose numbers have two digits more."""
    (calls, units), (more_calls, more_units) = [_cost_of_page(stack, days, many) for many in (1_000, 100_000)]
    assert calls == more_calls < 20
    assert units <= more_units < min(1.5 * units, 16)


def _cost_of_page(stack, days, journeys):
    """Fill the cube as that many journeys would, evenly over the days, and return what one page asks and reads."""
    each = max(journeys // (3 * days), 1)
    last = stack.clock.now.date()
    for number in range(days):
        day = (last - timedelta(days=number)).isoformat()
        for team in ("north", "south", "east"):
            counts = {"begun": each, "sent/survey": each, "answered/survey": each, "score/survey/csat/5": each}
            item = entry_item(f"J#{team}{day}", str(journeys), stack.clock.now, Tally(team, "c", "mail", {day: counts}))
            stack.account.dynamodb.put_item(TableName=stack.environment["TABLE"], Item=item)
    stack.run_until(stack.clock.now + timedelta(hours=1))
    lead, account = Browser(stack).sign_in(ADDRESS["lead"]), stack.account
    calls, units = account.calls.copy(), account.units["dynamodb.read"]
    first = last - timedelta(days=days - 1)
    assert lead.get(f"/console/figures?by=team&first={first}&last={last}").status == 200
    asked = account.calls - calls
    return sum(asked.values()), account.units["dynamodb.read"] - units


def test_figures_read_as_people_write_them():
    assert figure(share(1, 2)) == "50% (9 to 91)"
    assert figure(Estimate(n=0)) == "–"
    assert figure(Estimate(1, 4.0), "mean") == "4.00"
    assert figure(Estimate(9, -12.4, -40.2, 0.2), "score") == "\N{MINUS SIGN}12 (\N{MINUS SIGN}40 to 0)"
