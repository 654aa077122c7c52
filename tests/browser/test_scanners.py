"""Scanners with a browser of their own: real Chromium, scripts running, and nobody at it."""

import pytest

from tests.browser.chrome import DESKTOP, PHONE
from tests.local.site import serving

#: What a filter runs in a page that it looks at: nobody has touched anything.
BY_ITSELF = "addEventListener('load', () => setTimeout(() => document.forms[0].submit(), 50))"
CLICKING = "addEventListener('load', () => setTimeout(() => document.querySelector('form button').click(), 50))"
FETCHING = """addEventListener('load', () => setTimeout(() => fetch('', {
    method: 'POST', body: new URLSearchParams(new FormData(document.forms[0]))}).catch(() => {}), 50))"""


@pytest.fixture
def site():
    with serving() as client:
        assert client.resolve("A-1").status == 200
        client.move(advance="P1D")
        client.move(advance="PT1H")
        yield client


def _path(site):
    return next(iter(_links(site, "answer")))


def _links(site, purpose):
    """The links of the survey, as a filter reads them out of the mail."""
    from chalicelib.links import Link  # noqa: PLC0415 - beside its only use

    journey_id = _journey(site)["journey_id"]
    return [site.url + f"/{purpose[0]}/" + site.stack.wiring.links.token(Link(purpose, journey_id, "survey"))]


def _journey(site):
    (journey,) = site.get("/_local/journeys").json
    return journey


def _answers(site):
    journey = site.stack.wiring.table.journey(_journey(site)["journey_id"]).value
    return [(answer.scores, answer.suspect, answer.recovery) for answer in journey.answers]


@pytest.mark.parametrize("script", [BY_ITSELF, CLICKING], ids=["submits", "clicks"])
def test_a_scanner_that_runs_scripts_and_sends_the_form_records_nothing(chrome, site, script):
    with chrome.open_page("about:blank", device=DESKTOP, errors_expected=True) as page:
        page.add_init_script(script)
        # Nothing else is asked of the page: whatever Playwright evaluates in it passes for a person's gesture.
        with page.expect_response(lambda reply: reply.request.method == "POST") as posted:
            page.goto(_path(site) + "?r=1", wait_until="commit")
        assert posted.value.status == 422, "the page comes back"
        assert _answers(site) == []


def test_a_script_that_fetches_gets_nowhere(chrome, site):
    with chrome.open_page("about:blank", device=DESKTOP, errors_expected=True) as page:
        page.add_init_script(FETCHING)
        with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
            page.goto(_path(site) + "?r=1")
        assert _answers(site) == []


def test_a_page_that_is_left_open_for_a_minute_records_nothing(chrome, site):
    with chrome.open_page("about:blank", device=PHONE) as page:
        page.clock.install()
        page.goto(_path(site) + "?r=1")
        page.clock.fast_forward(61_000)
        page.clock.run_for(61_000)
        assert page.locator("script").count() == 0
    assert _answers(site) == []


def test_a_scanner_that_opens_every_link_and_presses_everything_starts_no_recovery(chrome, site):
    with chrome.open_page(_links(site, "decoy")[0], device=DESKTOP, errors_expected=True) as page:
        for rating in range(1, 6):
            page.goto(f"{_path(site)}?r={rating}")
            page.get_by_role("button", name="Send", exact=True).click()
    assert [suspect for _, suspect, _ in _answers(site)] == ["decoy"] * 5
    assert {recovery for _, _, recovery in _answers(site)} == {0}
    assert _journey(site)["stage"] == "asked"


@pytest.mark.parametrize("javascript", [True, False], ids=["scripts on", "scripts off"])
def test_a_person_answers_by_keyboard_alone(chrome, site, javascript):
    with chrome.open_page(_path(site), device=DESKTOP, javascript=javascript) as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        assert page.locator(":focus").get_attribute("name") == "csat", "the first stop is the question, not a decoy"
        assert page.locator("[name=csat]:checked").get_attribute("value") == "1"
        for _ in range(2):
            page.keyboard.press("Tab")
        assert page.locator(":focus").get_attribute("name") == "words"
        page.keyboard.type("It broke")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        assert page.locator("[name=call_back]").is_checked()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Thank you for telling us").wait_for()
    assert _answers(site) == [({"csat": 1}, "", 1)]


def test_what_is_asked_follows_the_rating_without_a_script(chrome, site):
    asked = {
        "1": ("What happened, and what did it cost you?", True),
        "3": ("What would you like to tell us?", True),
        "5": ("Would you like to add anything?", False),
    }
    with chrome.open_page(_path(site), device=PHONE, javascript=False) as page:
        for rating in ("1", "5", "3"):
            page.locator(f"[name=csat][value='{rating}']").check(force=True)
            text, call_back = asked[rating]
            assert page.locator("label[for=q-words]").inner_text().strip() == text
            assert page.get_by_text("Please call me back").is_visible() is call_back


def test_the_page_is_one_request_of_a_few_kilobytes(chrome, site):
    asked = []
    with chrome.open_page("about:blank", device=PHONE) as page:
        page.on("request", lambda request: asked.append(request.url))
        size = len(page.goto(_path(site) + "?r=1").body())
    assert len(asked) == 1
    assert size <= 14 * 1024, f"{size} bytes"
    print(f"answer page: 1 request, {size} bytes uncompressed")  # noqa: T201 - quoted in docs/security.md
