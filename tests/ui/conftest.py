"""A real Chromium that watches what the page does:
every test of the page also tests that nothing foreign is asked for and nothing breaks.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from support.needs import needed
from support.visits import Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext

#: How long anything on the page may take on a busy machine, ms. Measured waits are tested on their own.
PATIENCE_MS = 240_000
PERMISSIONS = ["clipboard-read", "clipboard-write"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, installed by the system."""
    playwright = needed("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs Chromium (`apt-get install chromium`)")
    # Root in a container has no sandbox; without a graphics card WebGL runs in software.
    flags = ["--enable-unsafe-swiftshader", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=program, args=flags)
        yield made
        made.close()


@pytest.fixture(scope="session")
def shared_context(browser: Browser) -> Iterator[Callable[[str], BrowserContext]]:
    """One browser profile a language for most visits, so that scripts are fetched once,
    as for a visitor who comes back.
    """
    contexts: dict[str, BrowserContext] = {}

    def of(locale: str) -> BrowserContext:
        if locale not in contexts:
            contexts[locale] = browser.new_context(permissions=PERMISSIONS, locale=locale)
        return contexts[locale]

    yield of
    for context in contexts.values():
        context.close()


@pytest.fixture
def visit(
    browser: Browser, shared_context: Callable[[str], BrowserContext], server_url: str
) -> Iterator[Callable[..., Visit]]:
    """Open the page: ``visit(width=360, dark=True)``.
    At the end no request may have left the host and no error been logged.

    ``alone`` gives a visit a profile of its own, ``url`` another server, ``locale`` the browser's language, ``at`` what
    stands behind the address's "#".
    """
    made: list[Visit] = []
    contexts: list[BrowserContext] = []

    def open_page(
        *,
        width: int = 1400,
        height: int = 1000,
        dark: bool = False,
        alone: bool = False,
        url: str = server_url,
        locale: str = "en-US",
        at: str = "",
    ) -> Visit:
        host = urlsplit(url).netloc
        if alone:
            contexts.append(browser.new_context(permissions=PERMISSIONS, locale=locale))
        page = (contexts[-1] if alone else shared_context(locale)).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme="dark" if dark else "light")
        found = Visit(page)
        made.append(found)

        def note_request(url: str) -> None:
            parts = urlsplit(url)
            found.asked.append(parts._replace(fragment="").geturl())  # what is sent: the browser keeps the fragment
            if parts.scheme not in {"data", "blob"} and parts.netloc != host:
                found.foreign.append(url)

        page.on("request", lambda request: note_request(request.url))
        page.on("websocket", lambda socket: note_request(socket.url))

        def note_error(said: str) -> None:
            # What Gradio's script says when its page is left while a stream is open.
            if "BodyStreamBuffer was aborted" not in said:
                found.errors.append(said)

        page.on("pageerror", lambda error: note_error(str(error)))
        page.on("console", lambda message: note_error(message.text) if message.type == "error" else None)
        page.goto(f"{url}/ui/{at}")
        page.wait_for_selector("#hs-source .hs-drop")
        page.wait_for_function("() => window.hsegap")
        return found

    yield open_page
    for found in made:
        found.page.close()
    for context in contexts:
        context.close()
    for found in made:
        assert not found.foreign, found.foreign
        assert not found.errors, found.errors
