"""The page as an ASGI application: Gradio, its static files and the rules every answer keeps."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import hashlib
import json
import logging
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from hsegap.folders import cache_folder
from hsegap.memory import give_back
from hsegap.ui import upload_folder
from hsegap.ui.components import STATIC_FOLDER, STATIC_ROUTE, static_text
from hsegap.ui.gradio_import import import_gradio
from hsegap.ui.model_card import CARD_ROUTE, PICTURE_POLICY, pictures_of
from hsegap.ui.uploads import SWEEP_S
from hsegap.ui.words import TAGS, catalogue, language_of, with_words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from hsegap.artifact.artifact import Artifact
    from hsegap.ui.backend import Backend, Bounds
    from hsegap.ui.uploads import Uploads

logger = logging.getLogger("hsegap.page")
#: The browser itself is told to ask no other host for anything. Gradio builds its templates from strings, hence
#: unsafe-eval.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'self'"
)
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
#: Gradio's link preview, manifest and title.
OTHERS_HEAD = re.compile(
    r"""<meta\s+(?:property|name)="(?:og|twitter):[^>]*>|<link rel="manifest"[^>]*>|<title>.*?</title>""", re.DOTALL
)
#: Stands in the head where the words for the scripts go.
WORDS_HERE = "<!-- words -->"
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css"}


@lru_cache(maxsize=1)
def static_version() -> str:
    """Fingerprint of the static files, part of their address, so that browsers may keep them."""
    digest = hashlib.sha256()
    for path in sorted(STATIC_FOLDER.iterdir()):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@lru_cache(maxsize=1)
def plotly_script() -> bytes:
    """The plotting library that the Python package carries, packed once."""
    import plotly

    return gzip.compress(
        (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_bytes(), compresslevel=6
    )


def _add_static(app: FastAPI, artifact: Artifact) -> None:
    """Serve the scripts of ``static/``, the plotting library and the pictures of the model card."""
    from starlette.responses import PlainTextResponse, Response

    keep = {"Cache-Control": "public, max-age=604800, immutable"}

    async def script(request: Request) -> Response:
        name = request.path_params["name"]
        # Only names that stand in the folder: nothing of the address reaches the file system otherwise.
        if name not in {path.name for path in STATIC_FOLDER.iterdir()} or Path(name).suffix not in MEDIA_TYPES:
            return PlainTextResponse("There is no such file.", status_code=404)
        return Response(static_text(name), media_type=MEDIA_TYPES[Path(name).suffix], headers=keep)

    async def plotly(request: Request) -> Response:
        packed = await asyncio.to_thread(plotly_script)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(
                packed,
                media_type="text/javascript",
                headers={**keep, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"},
            )
        return Response(
            gzip.decompress(packed), media_type="text/javascript", headers={**keep, "Vary": "Accept-Encoding"}
        )

    pictures = pictures_of(artifact)

    async def picture(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in pictures:  # a name of the manifest or nothing: no path is made of what a stranger sends
            return PlainTextResponse("There is no such picture.", status_code=404)
        content = await asyncio.to_thread(artifact.path(name).read_bytes)
        return Response(content, media_type=pictures[name], headers={**keep, "Content-Security-Policy": PICTURE_POLICY})

    app.add_route(CARD_ROUTE + "/{version}/{name}", picture, methods=["GET"])
    app.add_route(STATIC_ROUTE + "/{version}/plotly.min.js", plotly, methods=["GET"])
    app.add_route(STATIC_ROUTE + "/{version}/{name}", script, methods=["GET"])


class _Polish:
    """Adds :data:`HEADERS` to every answer, and our head and the visitor's words to the page itself.

    Event streams pass through untouched.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start: Message = {}
        page = bytearray()
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        language = language_of(scope["headers"])
        is_page = scope["method"] == "GET" and path in {"", "/", "/config", "/config/"}
        if is_page:  # as plain text, because it is about to be changed
            scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]}

        async def send_polished(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                known = {name.lower() for name, _ in message["headers"]}
                extra = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *(pair for pair in extra if pair[0] not in known)]
                start = message
                if is_page:
                    return
            elif is_page:
                page.extend(message.get("body", b""))
                if message.get("more_body", False):
                    return
                message = {"type": "http.response.body", "body": polished(bytes(page), language)}
                kept = [pair for pair in start["headers"] if pair[0].lower() not in {b"content-length", b"vary"}]
                own = [(b"content-length", str(len(message["body"])).encode()), (b"vary", b"accept-language, cookie")]
                await send({**start, "headers": [*kept, *own]})
            await send(message)

        await self.app(scope, receive, send_polished)


def polished(page: bytes, language: str) -> bytes:
    """Gradio's page (or its configuration) in a visitor's language, with our head, without Gradio's link previews."""
    text = OTHERS_HEAD.sub("", page.decode("utf-8"))
    text = text.replace("</head>", head_html() + "</head>", 1)
    text = re.sub(r'<html([^>]*?)\slang="[^"]*"', rf'<html\1 lang="{TAGS[language]}"', text, count=1)
    return with_words(text.replace(WORDS_HERE, _words_script(language), 1), language).encode("utf-8")


@lru_cache(maxsize=4)
def _words_script(language: str) -> str:
    """The catalogue for the page's scripts.

    Gradio's own words ("Drop file here") follow what the browser says of itself.
    """
    words = json.dumps(catalogue(language), ensure_ascii=False).replace("<", "\\u003c")
    tag = TAGS[language]
    return (
        f'<script>window.hsegap_words = {words}; window.hsegap_language = "{language}";'
        f'if (!navigator.language.startsWith("{language}")) '
        f'for (const [name, value] of [["language", "{tag}"], ["languages", ["{tag}"]]]) '
        "Object.defineProperty(navigator, name, { get: () => value, configurable: true });</script>"
    )


@lru_cache(maxsize=1)
def head_html() -> str:
    """What goes into the page's head: title, icon, styles, words, and the module that starts everything.

    It starts once Gradio knows its own address.
    """
    icon = base64.b64encode(static_text("icon.svg").encode()).decode()
    address = f"{STATIC_ROUTE}/{static_version()}/page.js"
    root = "new URL(window.gradio_config?.root || '.', window.location.href).pathname"
    loader = f"import({root}.replace(/\\/$/, '') + '{address}');"
    return (
        "<title>%%page.title%%</title>"
        f'<meta name="description" content="%%page.tagline%%"><link rel="icon" href="data:image/svg+xml;base64,{icon}">'
        f"<style>{static_text('page.css')}</style>{WORDS_HERE}<script>{loader}</script>"
    )


def _warm_up() -> None:
    """Import and compute now what the first visitor would wait for."""
    import matplotlib as mpl  # noqa: F401 - Gradio imports it with the first event
    from pymatgen.analysis.molecule_structure_comparator import CovalentRadius  # noqa: F401 - the import is the point
    from pymatgen.io.cif import CifWriter  # noqa: F401 - as above
    from scipy.spatial import cKDTree  # noqa: F401 - as above

    from hsegap.ui.crystal_view import element_colour

    element_colour("H")
    plotly_script()


async def _first_visit(app: FastAPI, core: Backend) -> None:
    """Open the page, predict a crystal with a description, have a script predict it too: late loads come then.

    Measured: without it the first visitor's first answer took a second longer than every later one.
    """
    import httpx

    from hsegap.ui import actions
    from hsegap.ui.examples import load_examples

    while core.state == "starting":  # noqa: ASYNC110 - a thread sets it, which knows no event of this loop
        await asyncio.sleep(0.05)
    examples = load_examples()
    if core.state != "ready" or not examples:
        return
    await actions.predict(
        core, actions.make_request(examples[0]["structure"], "cif", examples[0]["description"] or "A crystal.")
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=httpx.URL(scheme="http", host="localhost"), timeout=60
    ) as visitor:
        await visitor.get("/")
        asked = await visitor.post(
            "/gradio_api/call/predict", json={"data": [examples[0]["structure"], "", "cif", False, True]}
        )
        await visitor.get(f"/gradio_api/call/predict/{asked.json()['event_id']}")


async def _prepare_for_visitors(app: FastAPI, core: Backend) -> None:
    """Everything a first visitor would wait for, beside the server's own start; a failure costs only that wait."""
    try:
        await asyncio.to_thread(_warm_up)
        await _first_visit(app, core)
    except Exception:
        logger.warning("the page could not be warmed up; its first answer will be slower", exc_info=True)
    await asyncio.to_thread(give_back)


async def _sweep(uploads: Uploads) -> None:
    """Delete old uploads again and again."""
    while True:
        await asyncio.sleep(SWEEP_S)
        try:
            await asyncio.to_thread(uploads.sweep)
        except OSError:
            logger.warning("old uploads could not be deleted", exc_info=True)


@contextlib.contextmanager
def kept_uploads(bounds: Bounds) -> Iterator[Uploads]:
    """The place for visitors' uploads, for as long as the server lives.

    A folder that only this process's user can enter; Gradio's usual one is shared by everybody on the machine.

    Args:
        bounds: The server's limits.
    """
    from hsegap.ui.uploads import Uploads

    upload_folder.remove_abandoned()
    own = upload_folder.make()
    os.environ["GRADIO_TEMP_DIR"] = str(own.files)
    try:
        yield Uploads(own.files, most_bytes=bounds.max_uploads_bytes, most_visitor_bytes=bounds.max_visitor_bytes)
    finally:
        own.remove()


def ui_app(core: Backend, uploads: Uploads) -> FastAPI:
    """Make the page for a core.

    Mount it under ``/ui``. Its lifespan starts Gradio's queue and the deletion of old uploads; a server that mounts it
    has to run it (BentoML and Starlette's own server do).

    Args:
        core: What answers. The page calls only its ``_async`` methods and ``model_info``.
        uploads: From :func:`kept_uploads`, entered before.
    """
    # Read while Gradio is imported. It fetches nothing then.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault(
        "MPLCONFIGDIR", str(cache_folder() / "matplotlib")
    )  # Gradio imports matplotlib, which makes a folder
    import_gradio()
    import gradio as gr
    from fastapi import FastAPI

    from hsegap.ui import door, page

    blocks = page.build(core, uploads)
    door.guard_events(blocks, uploads)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_prepare_for_visitors(app, core)), asyncio.create_task(_sweep(uploads))]
        yield
        for task in tasks:
            task.cancel()

    app = FastAPI(title="hsegap page", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)

    app.add_middleware(door.Door, uploads=uploads)
    app.add_middleware(_Polish)
    _add_static(app, core.artifact)
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        allowed_paths=[],
        show_error=False,
        max_file_size=core.settings.max_body_bytes,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        theme=page.theme(),
    )
    return app
