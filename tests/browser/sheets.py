"""Contact sheets of mails and pages for the docs: as a phone or a desktop shows them, side by side in one picture."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser

PHONE = {"width": 390, "height": 620}
DESKTOP = {"width": 820, "height": 600}
#: For a sheet with every look of one mail or page, each as long as it scrolls; and how many bytes it may have.
SMALL = 0.5
LARGEST_WHOLE = 250_000
#: Pictures stay small: a page shrunk to this is still read, and one sheet takes at most as many bytes.
SCALE = 0.6
LARGEST = 100_000
_SHEET = """<!doctype html><style>body{margin:0;padding:10px;display:flex;align-items:flex-start;gap:10px}
body{background:#8a8a8a;width:max-content}
img{display:block}</style>"""

GALLERY = Path(__file__).parents[2] / "docs" / "pictures" / "gallery"
_TOP = """# Gallery

Every mail and every page of customers, as long as it scrolls: on a phone in light, dark and Arabic, on a desktop in
light and in Arabic, dark. What is for staff is English only. Made by `python -m tests.browser.pictures` from what
ships; a test fails when one is missing.
"""


def of_mail(kind: str) -> str:
    """Return the name of the sheet of that mail."""
    return f"mail-{kind}"


def of_page(name: str) -> str:
    """Return the name of the sheet of a page in that state."""
    return "page-" + "-".join(name.replace(",", "").split())


def page(names: Iterable[str]) -> str:
    """Return the page of the docs that shows these sheets."""
    return _TOP + "".join(f"\n## {_title(name)}\n\n![{_title(name)}](pictures/gallery/{name}.png)\n" for name in names)


def _title(name: str) -> str:
    what, _, which = name.partition("-")
    return f"{what.capitalize()}: {which.replace('-', ' ')}"


@dataclass(frozen=True)
class Shot:
    """One mail or page as somebody sees it."""

    html: str
    scheme: Literal["light", "dark"] = "light"
    viewport: dict[str, Any] | None = None
    whole: bool = False


def draw(
    browser: Browser,
    shots: list[Shot],
    viewport: dict[str, Any],
    path: Path,
    scale: float = SCALE,
    largest: int = LARGEST,
) -> int:
    """Draws the shots side by side; returns the bytes of the picture, and fails when there are too many."""
    return compose(browser, [_take(browser, shot, shot.viewport or viewport, scale) for shot in shots], path, largest)


def compose(browser: Browser, taken: list[bytes], path: Path, largest: int = LARGEST) -> int:
    """Lays pictures that were taken side by side; returns the bytes of the sheet, and fails when there are too many."""
    images = "".join(f'<img src="data:image/png;base64,{b64encode(one).decode()}">' for one in taken)
    context = browser.new_context(viewport={"width": 2000, "height": 1000})
    page = context.new_page()
    page.set_content(_SHEET + images)
    page.locator("body").screenshot(path=path)
    context.close()
    size = path.stat().st_size
    assert size <= largest, f"{path.name} has {size} bytes"
    return size


def _take(browser: Browser, shot: Shot, viewport: dict[str, Any], scale: float) -> bytes:
    context = browser.new_context(viewport=viewport, device_scale_factor=scale, color_scheme=shot.scheme)
    page = context.new_page()
    page.set_content(shot.html)
    picture = page.screenshot(animations="disabled", caret="hide", full_page=shot.whole)
    context.close()
    return picture
