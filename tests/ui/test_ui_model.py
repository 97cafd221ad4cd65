"""The Model tab and the interval on an artifact as rich as artifacts get: calibrated, with breakdowns,
long tables and pictures in its card.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from hsegap.prediction.schemas import Description
from hsegap.ui.answer import answer_html
from hsegap.ui.model_card import model_card, pictures_of
from support.ui_samples import SILICON, prediction

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hsegap.artifact.artifact import Artifact
    from support.serving import RunningServer


CARD = (
    """# Rich card

![Predicted against calculated gap](parity.png)
![away](https://away.example/picture.png) ![by reference][there] <img src="https://away.example/tag.png">

[there]: https://away.example/reference.png

| chemistry | crystals | MAE (eV) | median error (eV) | RMSE (eV) | a column that is long | another column that is long |
|---|---|---|---|---|---|---|
"""  # noqa: E501 - a row of a table is one line
    + "".join(f"| class {row} | {row} | 0.{row:03d} | 0.3 | 0.5 | 0.123456 | 0.654321 |\n" for row in range(1, 41))
    + "\n<script>window.broken = true</script>\n"
)
#: So wide that silicon's interval touches zero whichever network is shipped.
QUANTILE = 6.0


def picture() -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (900, 700), "white").save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def rich_folder(artifact_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped artifact with wide intervals, errors by chemistry and a card with pictures."""
    folder = tmp_path_factory.mktemp("rich") / "artifact"
    shutil.copytree(artifact_folder, folder)
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    written = {"MODEL_CARD.md": CARD.encode(), "parity.png": picture()}
    for name, content in written.items():
        (folder / name).write_bytes(content)
        manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    figures = {"mae": 0.41, "rmse": 0.7, "n": 120}
    chemistry = {"oxides": figures, "halides": {**figures, "mae": 0.52}}
    manifest["metrics"] = {"test (855 crystals)": {**figures, "by_chemistry": chemistry}, "validation": figures}
    manifest["calibration"]["scaled"] |= {"quantile": QUANTILE, "quantile_no_text": QUANTILE}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def rich_artifact(rich_folder: Path) -> Artifact:
    from hsegap.artifact.artifact import Artifact

    return Artifact.load(rich_folder)


@pytest.fixture(scope="module")
def rich_server(rich_folder: Path, start_server: Callable[..., RunningServer]) -> RunningServer:
    return start_server(page=True, artifact=rich_folder)


def test_only_pictures_of_the_manifest_are_shown(rich_artifact: Artifact) -> None:
    served = pictures_of(rich_artifact)
    assert served.pop("parity.png") == "image/png"
    # The shipped card's own.
    assert set(served.values()) == {"image/svg+xml"}
    assert served.keys() < rich_artifact.manifest.files.keys()
    text = model_card(rich_artifact)
    assert f"/hsegap/card/{rich_artifact.sha256[:12]}/parity.png)" in text
    assert "![away]" not in text
    assert "[away](https://away.example" in text
    assert "![by" not in text
    assert "<img" not in text
    assert "<script" not in text


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1400])
def test_the_card_shows_its_pictures_and_long_tables_and_asks_nobody_else(
    visit, rich_server: RunningServer, width: int
) -> None:
    import httpx

    found = visit(width=width, alone=True, url=rich_server.url)
    found.tab("model")
    found.page.click("#hs-card-fold > button")
    found.page.wait_for_function("() => document.querySelector('#hs-model-card img')?.naturalWidth === 900")
    shown = found.page.locator("#hs-model-card img")
    assert shown.count() == 1
    assert shown.get_attribute("alt") == "Predicted against calculated gap"
    assert shown.bounding_box()["width"] <= width
    assert found.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    assert found.page.evaluate("() => window.broken === undefined")
    assert found.page.locator("#hs-model-card td").count() == 40 * 7
    assert "0.520" not in found.page.inner_text("#hs-model-folds")
    found.page.get_by_text("Measured errors").click()
    assert "0.520" in found.page.inner_text("#hs-model-folds")
    assert "On 120 crystals that it never saw it is off by 0.41 eV" in found.page.inner_text("#hs-model")
    client = httpx.Client(base_url=rich_server.url)
    assert "sandbox" in client.get(shown.evaluate("(image) => image.src")).headers["content-security-policy"]
    address = shown.evaluate("(image) => image.src").removeprefix(rich_server.url)
    assert client.get(address).headers["content-type"] == "image/png"
    for name in ("unlisted.png", "manifest.json", "network.onnx", "../manifest.json", "..%2f..%2fpyproject.toml"):
        assert client.get(address.replace("parity.png", name)).status_code == 404, name
    assert client.get("/model").json()["metrics"]["test (855 crystals)"]["by_chemistry"]["halides"]["mae"] == 0.52


@pytest.mark.browser
def test_a_calibrated_answer_draws_the_very_interval_of_the_api(visit, rich_server: RunningServer) -> None:
    import httpx

    found = visit(alone=True, url=rich_server.url)
    found.page.fill("#hs-structure textarea", SILICON)
    found.page.click("#hs-predict")
    found.answered()
    answer = httpx.post(f"{rich_server.url}/predict", json={"structure": SILICON}, timeout=60).json()
    low, high = answer["interval_ev"]
    assert low == 0  # this crystal's interval touches zero
    assert 0 < answer["gap_ev"] < high < 9.5  # and fits the usual scale
    assert f"{low:.2f} – {high:.2f} eV" in found.page.inner_text(".hs-interval-words")
    unlike = "crystal_unlike_training" in {warning["code"] for warning in answer["warnings"]}
    meaning = "This one is not like them" if unlike else "90 have their HSE06 gap in such a range"
    assert meaning in found.page.inner_text(".hs-interval-words")
    track, drawn, mark = (
        found.page.locator(f"#hs-answer {name}").bounding_box() for name in (".hs-track", ".hs-interval", ".hs-mark")
    )
    assert drawn["x"] == pytest.approx(track["x"], abs=2)
    assert drawn["width"] / track["width"] == pytest.approx(high / 10, abs=0.01)
    assert drawn["x"] <= mark["x"] + mark["width"] / 2 <= drawn["x"] + drawn["width"]


#: Gap, interval, gap without text: a metal, intervals at zero, narrow, very wide, and beyond the usual scale.
DRAWN = [
    (0.0, (0.0, 0.0), None),
    (0.02, (0.0, 0.7), 0.3),
    (1.1, (0.0, 3.4), 1.4),
    (3.2, (3.1, 3.3), None),
    (5.5, (0.0, 11.9), 5.4),
    (9.9, (8.0, 11.8), None),
    (13.9, (11.0, 17.0), 12.0),
    (20.0, (14.0, 27.5), 21.0),
]


@pytest.mark.browser
def test_no_interval_leaves_its_scale_and_no_two_names_collide(visit) -> None:
    found = visit()
    for width, (gap, interval, alone) in itertools.product((360, 900, 1400), DRAWN):
        found.page.set_viewport_size({"width": width, "height": 1000})
        text = Description(text="x", origin="given" if alone else "none")
        made = answer_html(prediction(gap=gap, interval=interval, description=text, gap_without_text_ev=alone or gap))
        found.page.evaluate("(made) => { document.querySelector('#hs-answer').innerHTML = made; }", made)
        boxes = found.page.evaluate(
            """() => { const box = (e) => { const b = e.getBoundingClientRect(); return [b.left, b.right, b.top, b.bottom, e.innerText]; };
            const all = (name) => [...document.querySelectorAll(`#hs-answer ${name}`)].filter((e) => e.offsetParent).map(box);
            return { track: all('.hs-track'), interval: all('.hs-interval'), names: all('.hs-landmark'), ticks: all('.hs-tick'), card: all('.hs-scale') }; }"""  # noqa: E501 - the script as the browser gets it
        )
        [[left, right, *_]], [[start, end, *_]] = boxes["track"], boxes["interval"]
        assert left - 1 <= start < end <= right + 4, (gap, interval, width)
        for kind in ("names", "ticks"):
            found_boxes = boxes[kind]
            assert found_boxes
            for place, one in enumerate(found_boxes):
                assert one[0] >= -1, one
                assert one[1] <= width + 1, one
                for other in found_boxes[place + 1 :]:
                    apart = (
                        one[1] <= other[0] + 1
                        or other[1] <= one[0] + 1
                        or one[3] <= other[2] + 1
                        or other[3] <= one[2] + 1
                    )
                    assert apart, (width, gap, one, other)


def test_the_sentences_name_figures_and_no_file(artifact: Artifact) -> None:
    from hsegap.ui.model_figures import figures_html, main_figures
    from hsegap.ui.words import Words

    figures = main_figures(artifact.manifest.metrics)
    assert figures["mae"] > figures["median_ae"] > 0
    assert figures["n"] > figures["metals_n"] > 0
    for language in ("en", "zh"):
        made = figures_html(artifact.manifest.metrics, Words(language))
        assert ".jsonl" not in made
        assert made.count("hs-scroll-x") == made.count("<table")
    assert main_figures({}) == {}
    assert main_figures({"mae": 0.3}) == {}
