"""Contact sheets of mails and pages for the docs: as a phone or a desktop shows them, side by side in one picture."""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser

PHONE = {"width": 390, "height": 620}
DESKTOP = {"width": 820, "height": 600}
#: Pictures stay small: a page shrunk to this is still read, and one sheet takes at most as many bytes.
SCALE = 0.6
LARGEST = 100_000
_SHEET = """<!doctype html><style>body{margin:0;padding:10px;display:flex;gap:10px;background:#8a8a8a;width:max-content}
img{display:block}</style>"""


@dataclass(frozen=True)
class Shot:
    """One mail or page as somebody sees it."""

    html: str
    scheme: Literal["light", "dark"] = "light"


def draw(browser: Browser, shots: list[Shot], viewport: dict[str, Any], path: Path) -> int:
    """Draws the shots side by side; returns the bytes of the picture, and fails when there are too many."""
    taken = [_take(browser, shot, viewport) for shot in shots]
    images = "".join(f'<img src="data:image/png;base64,{b64encode(one).decode()}">' for one in taken)
    context = browser.new_context(viewport={"width": 2000, "height": 1000})
    page = context.new_page()
    page.set_content(_SHEET + images)
    page.locator("body").screenshot(path=path)
    context.close()
    size = path.stat().st_size
    assert size <= LARGEST, f"{path.name} has {size} bytes"
    return size


def _take(browser: Browser, shot: Shot, viewport: dict[str, Any]) -> bytes:
    context = browser.new_context(viewport=viewport, device_scale_factor=SCALE, color_scheme=shot.scheme)
    page = context.new_page()
    page.set_content(shot.html)
    picture = page.screenshot(animations="disabled", caret="hide")
    context.close()
    return picture
