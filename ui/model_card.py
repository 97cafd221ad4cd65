"""The artifact's own model card and its pictures.

They are shown so that nothing is asked of another host and no other file can be read.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from hsegap.ui.components import STATIC_ROUTE

if TYPE_CHECKING:
    from hsegap.artifact.artifact import Artifact

CARD = "MODEL_CARD.md"
#: Longest model card shown.
MAX_CARD_CHARS = 200_000
#: Pictures that a card may show. An SVG may carry scripts: they rest in an ``<img>``, and whoever opens its address
#: gets it with :data:`PICTURE_POLICY`, under which nothing runs.
PICTURES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
#: Below the page's address; the artifact's fingerprint follows, so that browsers may keep the pictures.
CARD_ROUTE = STATIC_ROUTE + "/card"
_MARKDOWN_PICTURE = re.compile(r"!\[(?P<words>[^\]]*)\]\(\s*<?(?P<address>[^)\s>]+)>?(?:\s+[^)]*)?\)")
#: Pictures by reference, and tags that make a browser fetch something.
_REFERRED_PICTURE = re.compile(r"!(?=\[[^\]]*\](?!\())")
_FETCHING_TAG = re.compile(
    r"<(?=/?(?:img|image|picture|source|video|audio|iframe|frame|object|embed|link|style|script|svg|input|base)\b)",
    re.IGNORECASE,
)


def pictures_of(artifact: Artifact) -> dict[str, str]:
    """Names of the pictures that the manifest lists, and their media types.

    What the manifest lists was checked when the artifact was loaded.
    """
    kinds = {name: PICTURES.get(PurePosixPath(name).suffix.lower()) for name in artifact.manifest.files}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def model_card(artifact: Artifact) -> str:
    """The card as Markdown; a sentence in its place where the artifact has none.

    Pictures of the artifact get the address they are served at; any other picture becomes a link, and HTML that makes a
    browser fetch something becomes text.
    """
    if CARD not in artifact.manifest.files:
        return "## Model card\n\nThis artifact carries no model card."
    card = artifact.path(CARD).read_text(encoding="utf-8")
    served = pictures_of(artifact)

    def picture(found: re.Match[str]) -> str:
        name = unquote(found["address"]).removeprefix("./")
        if name in served:
            return f"![{found['words']}](.{CARD_ROUTE}/{artifact.sha256[:12]}/{found['address'].removeprefix('./')})"
        return f"[{found['words'] or 'picture'}]({found['address']})"

    text = _REFERRED_PICTURE.sub("", _MARKDOWN_PICTURE.sub(picture, card[:MAX_CARD_CHARS]))
    return _FETCHING_TAG.sub("&lt;", text)
