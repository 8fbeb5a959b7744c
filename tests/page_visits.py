"""Visits of a real browser to a served page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from served_page import ServedPage

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NO_CHROMIUM = "needs Chromium: sudo apt-get install chromium"
QUIET_START = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
PHONE, DESKTOP = (390, 844), (1280, 800)
PATIENCE_MS = 20_000

LOOKS = ((PHONE, "light"), (DESKTOP, "dark"))
"""Every width and every colour once: what axe judges by one does not depend on the other."""

NARROWEST_PX = 320


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser of one's own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET_START.split())
        yield browser
        browser.close()


@contextmanager
def window(
    browser: Browser,
    address: str,
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: str = "light",
    javascript: bool = True,
    motion: bool = False,
    scripts: tuple[str, ...] = (),
    patience_ms: int = PATIENCE_MS,
) -> Iterator[Page]:
    """An empty page; it must ask nobody but `address`, break no rule of its own and run without an error."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        java_script_enabled=javascript,
        reduced_motion="no-preference" if motion else "reduce",
    )
    for script in scripts:
        context.add_init_script(script)
    page, asked, wrong = context.new_page(), [], []
    page.set_default_timeout(patience_ms)
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(f"a dialog: {dialog.message}"))
    page.on("console", lambda said: wrong.append(said.text) if "Security Policy" in said.text else None)
    yield page
    context.close()
    assert [url for url in asked if not url.startswith((address, "data:"))] == []
    assert wrong == [], wrong


@contextmanager
def visit(
    browser: Browser,
    served: ServedPage,
    path: str = "/",
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: str = "light",
    javascript: bool = True,
) -> Iterator[Page]:
    """A signed-in page in a `window`."""
    with window(browser, served.address, size=size, scheme=scheme, javascript=javascript) as page:
        page.goto(served.address + served.sign_in_path())
        if path != "/":
            page.goto(served.address + path)
        yield page


def findings(page: Page) -> list[str]:
    """What axe objects to, with the place."""
    if not page.evaluate("'axe' in window"):  # half of what a look costs
        page.evaluate(Axe().axe_script)
    violations = page.evaluate("axe.run({ resultTypes: ['violations'] }).then((found) => found.violations)")
    return [f"{violation['id']}: {node['html']}" for violation in violations for node in violation["nodes"]]


def objections(page: Page) -> list[str]:
    """What is wrong with the page as it stands, in every look: what axe objects to, and what is too wide."""
    found = []
    for (width_px, height_px), scheme in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width_px, "height": height_px})
        found += [f"{width_px} px, {scheme}: {finding}" for finding in findings(page)]
        for narrow_px in (NARROWEST_PX, width_px):
            page.set_viewport_size({"width": narrow_px, "height": height_px})
            wide_px = page.evaluate("document.documentElement.scrollWidth")
            found += [f"{wide_px} px wide in {narrow_px} px"] if wide_px > narrow_px else []
    return found
