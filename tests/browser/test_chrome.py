"""The browser itself: what the walks rely on."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.browser.chrome import DESKTOP, PHONE, screenshot, scrolls_sideways

PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<style>body { background: white } @media (prefers-color-scheme: dark) { body { background: black } }</style>
<h1>Hello</h1><noscript><p id="plain">without script</p></noscript>{more}"""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        more = {
            "/stranger": '<img src="http://example.com/pixel.gif">',
            "/faulty": "<script>throw Error('no')</script>",
        }
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE.replace("{more}", more.get(self.path, "")).encode())

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("device", "width", "scale"), [(PHONE, 390, 2), (DESKTOP, 1280, 1)], ids=["phone", "desktop"])
def test_a_device_has_its_width_and_its_density(chrome, site, device, width, scale):
    with chrome.open_page(site, device=device) as page:
        assert page.evaluate("[innerWidth, devicePixelRatio]") == [width, scale]
        assert not scrolls_sideways(page)


@pytest.mark.parametrize(("scheme", "colour"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(0, 0, 0)")])
def test_a_visitor_prefers_a_colour_scheme(chrome, site, scheme, colour):
    with chrome.open_page(site, scheme=scheme) as page:
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == colour


@pytest.mark.parametrize("javascript", [True, False])
def test_a_visitor_may_have_no_javascript(chrome, site, javascript):
    with chrome.open_page(site, javascript=javascript) as page:
        assert page.locator("#plain").count() == (not javascript)


@pytest.mark.parametrize(("path", "blame"), [("/stranger", "asked another machine"), ("/faulty", "is at fault")])
def test_a_page_that_strays_or_stumbles_fails_its_walk(chrome, site, path, blame):
    with pytest.raises(AssertionError, match=blame), chrome.open_page(site + path):
        pass


def test_a_screenshot_shows_the_page(chrome, site):
    with chrome.open_page(site) as page:
        assert screenshot(page, "the-browser-itself").read_bytes().startswith(b"\x89PNG")
