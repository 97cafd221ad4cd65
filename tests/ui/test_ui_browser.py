"""The page in a real browser against the real server.
The fixture fails a test on any console error and any foreign request.
"""

from __future__ import annotations

import csv
import json
import math
import shlex
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from hsegap.ui.examples import load_examples
from hsegap.ui.maps import NEARLY_FLAT
from support.ui_samples import BROKEN, DESCRIPTION, PEROVSKITE, POSCAR, SILICON

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from support.visits import Visit

    Open = Callable[..., Visit]

pytestmark = pytest.mark.browser


def upload(found: Visit, name: str, text: str) -> None:
    found.page.set_input_files(
        "#hs-source input[type=file]",
        {"name": name, "mimeType": "text/plain", "buffer": text.encode("utf-8", "surrogateescape")},
    )


def paste(found: Visit, structure: str, description: str = "") -> None:
    found.page.fill("#hs-structure textarea", structure)
    found.page.fill("#hs-description textarea", description)


def inner_maps(found: Visit) -> list[str]:
    """Names of the maps from inside the network, and the elements' colours, in the order of the page."""
    names = [
        str(radio.get_attribute("value"))
        for part in ("maps", "inside")
        for radio in found.page.locator(f"#hs-maps [data-role={part}] input").all()
    ]
    return [name for name in names if name != "inside" and not name.endswith("_ev")]


def choose_map(found: Visit, name: str) -> None:
    """Colour the atoms by a map; those from inside the network may stand one tab away."""
    tab = found.page.locator("#hs-maps [data-role=maps] input[value=inside]")
    if tab.count() and not found.page.locator(f"#hs-maps [data-role=maps] input[value={name}]").count():
        tab.check()
    found.page.locator(f"#hs-maps .hs-seg input[value={name}]").check()


def table(found: Visit) -> list[list[str]]:
    rows = found.page.locator("#hs-maps table:not(.hs-near) tbody tr")
    return [row.locator("td").all_inner_texts() for row in rows.all()]


def test_an_uploaded_crystal_is_answered_as_over_http(visit: Open, client: httpx.Client) -> None:
    found = visit()
    upload(found, "SrTiO3.cif", PEROVSKITE)
    gap = found.answered()
    expected = client.post("/predict", json={"structure": PEROVSKITE}).json()
    assert gap == pytest.approx(expected["gap_ev"], abs=1e-6)
    assert found.page.inner_text("#hs-answer h2") == "SrTiO3"
    if expected["interval_ev"] is None:
        assert "not been calibrated" in found.page.inner_text("#hs-answer")
        assert found.page.locator(".hs-interval").count() == 0
    else:
        assert f"{expected['interval_ev'][0]:.2f}" in found.page.inner_text(".hs-interval-words")
    for warning in expected["warnings"]:
        assert warning["message"] in found.page.inner_text("#hs-answer") + found.page.inner_text(
            "#hs-maps [data-role=read]"
        )
    rows = table(found)
    assert [row[1] for row in rows] == ["Sr", "Ti", "O", "O", "O"]
    assert len({tuple(row[2:-3]) for row in rows[2:]}) == 1  # equivalent oxygens share every value


def test_a_broken_file_shows_its_named_error_and_the_page_stays_alive(visit: Open) -> None:
    found = visit()
    for name, (text, code) in BROKEN.items():
        upload(found, "POSCAR", POSCAR)
        found.page.wait_for_selector("#hs-error [role=alert]", state="detached")
        found.answered()
        assert found.page.inner_text("#hs-answer h2") == "GaAs"
        upload(found, name, text)
        assert code in found.page.wait_for_selector("#hs-error [role=alert]").inner_text(), name
        assert found.page.locator(".hs-gap").count() == 0  # the answer to the crystal before is not left standing
        assert found.page.locator("#hs-maps [data-role=all]").is_hidden()


def test_pasted_text_with_and_without_a_description(visit: Open, client: httpx.Client) -> None:
    found = visit()
    paste(found, PEROVSKITE, DESCRIPTION)
    found.page.click("#hs-predict")
    with_text = found.answered()
    ask = {"structure": PEROVSKITE, "description": DESCRIPTION}
    alone = client.post("/predict", json={"structure": PEROVSKITE}).json()["gap_ev"]
    assert with_text == pytest.approx(client.post("/predict", json=ask).json()["gap_ev"], abs=1e-6)
    compared = found.page.locator(".hs-compare dd").all_inner_texts()
    assert compared[:2] == [f"{with_text:.2f} eV", f"{alone:.2f} eV"]
    found.page.click("#hs-predict-bare")
    found.page.wait_for_selector(".hs-compare", state="detached")
    assert found.gap() == pytest.approx(alone, abs=1e-6)
    assert found.page.input_value("#hs-description textarea") == DESCRIPTION  # left for the next try


def test_every_example_is_one_click_away(visit: Open) -> None:
    found = visit()
    names = [chip.get_attribute("data-name") for chip in found.page.locator(".hs-chip").all()]
    assert len(names) >= 12
    for name in (names[0], names[-1]):
        found.example(name)
        assert "data_" in found.page.input_value("#hs-structure textarea")
    assert found.page.inner_text("#hs-answer h2").replace("\n", "")


def test_each_map_and_layer_is_drawn_with_its_true_range(visit: Open, client: httpx.Client) -> None:
    found = visit()
    paste(found, PEROVSKITE, DESCRIPTION)
    found.page.click("#hs-predict")
    found.answered()
    atoms = client.post("/predict", json={"structure": PEROVSKITE, "description": DESCRIPTION}).json()["atoms"]
    tried = 0
    for name in inner_maps(found):
        choose_map(found, name)
        if name == "element":
            found.wait_drawn("element/")
            assert found.page.locator("#hs-maps [data-role=legend] span").all_inner_texts() == ["O", "Sr", "Ti"]
            # Colours by vertex would be mixed with the map that was drawn before.
            steps = found.page.evaluate(
                "() => { const t = document.querySelector('#hs-maps [data-role=picture]').data[0]; "
                "return [t.cmin, t.cmax, !t.vertexcolor]; }"
            )
            assert steps == [0, 3, True]
            continue
        for option in found.page.locator("#hs-maps [data-role=layer] option").all():
            layer = option.get_attribute("value")
            found.page.select_option("#hs-maps [data-role=layer]", layer) if found.page.locator(
                "#hs-maps [data-role=layer]"
            ).is_visible() else None
            found.wait_drawn(f"{name}/{layer}/1")
            values = [atom[name][layer] for atom in atoms]
            bar = found.page.evaluate(
                "() => { const t = document.querySelector('#hs-maps [data-role=picture]').data[0]; "
                "return [t.cmin, t.cmax, [...new Set(t.intensity)]]; }"
            )
            assert sorted(bar[2]) == pytest.approx(sorted(set(values)), abs=1e-6)
            if max(values) - min(values) > NEARLY_FLAT:
                assert bar[:2] == pytest.approx([min(values), max(values)], abs=1e-6)
            else:
                assert bar[0] <= 0
                assert bar[1] >= 1
                assert "flat" in found.page.inner_text("#hs-maps [data-role=note]").lower()
            tried += 1
    assert tried >= 2


def test_every_atom_has_the_colour_and_the_words_of_its_own_site(visit: Open, client: httpx.Client) -> None:
    found = visit()
    paste(found, PEROVSKITE, DESCRIPTION)
    found.page.click("#hs-predict")
    found.answered()
    found.page.uncheck("#hs-maps [data-role=bonds]")
    atoms = client.post("/predict", json={"structure": PEROVSKITE, "description": DESCRIPTION}).json()["atoms"]
    assert len({round(atom["text_share"][layer], 4) for atom in atoms for layer in atom["text_share"]}) > 1
    # The crystal stands whole inside its axes: a picture that shows a corner of it has all the right numbers too.
    inside = found.page.evaluate(
        """() => { const p = document.querySelector('#hs-maps [data-role=picture]'); const shown = p._fullLayout.scene; return ['x', 'y', 'z'].map(
          (n) => [shown[`${n}axis`].range, shown._scene.fullSceneLayout[`${n}axis`].range, [Math.min(...p.data[0][n]), Math.max(...p.data[0][n])]]); }"""  # noqa: E501 - the script as the browser gets it
    )
    for wanted, real, (low, high) in inside:
        assert wanted == real
        assert wanted[0] < low < high < wanted[1]
    trace = (
        "() => { const t = document.querySelector('#hs-maps [data-role=picture]').data[0]; "
        "return [t.x, t.y, t.z, t.intensity, t.text].map((a) => [...a]); }"
    )
    for name in ("text_share", "gate"):
        choose_map(found, name)
        found.wait_drawn(f"{name}/")
        [layer] = atoms[0][name]
        *places, values, words = found.page.evaluate(trace)
        for atom in atoms:
            centre = [3.905 * part for part in atom["frac_coords"]]  # a cubic cell
            near = [v for v, point in enumerate(zip(*places, strict=True)) if math.dist(point, centre) < 0.9]
            assert len(near) > 20
            assert [values[v] for v in near] == pytest.approx([atom[name][layer]] * len(near))
            for part in (f"<b>{atom['element']}</b> · atom {atom['index']}<", f"{atom[name][layer]:.4f}"):
                assert all(part in words[v] for v in near), (part, words[near[0]])


def test_two_by_two_by_two_bonds_and_the_table_talk_to_the_picture(visit: Open) -> None:
    found = visit()
    upload(found, "POSCAR", POSCAR)
    found.answered()
    vertices = "() => document.querySelector('#hs-maps [data-role=picture]').data[0].x.length"
    before = found.page.evaluate(vertices)
    found.page.check("#hs-maps [data-role=supercell]")
    found.page.wait_for_selector('#hs-maps [data-role=picture][data-drawn$="/2"]')
    many = found.page.evaluate(vertices)
    assert many > 2 * before
    found.page.uncheck("#hs-maps [data-role=bonds]")
    found.page.wait_for_function(
        f"() => document.querySelector('#hs-maps [data-role=picture]').data[0].x.length < {many}"
    )
    header = found.page.locator("#hs-maps").get_by_role("button", name="Element").last
    header.click()
    header.click()
    assert [row[1] for row in table(found)] == ["Ga", "As"]
    assert found.page.locator("#hs-maps th[aria-sort=descending]").inner_text().startswith("Element")
    found.page.locator("#hs-maps tbody tr").first.press("Enter")
    found.page.wait_for_function(
        "() => document.querySelector('#hs-maps [data-role=picture]').data[3].visible === true"
    )
    assert found.page.locator("#hs-maps tr[data-chosen]").count() == 1


def slow_to_describe() -> str:
    """A crystal that nobody has described before, and that takes seconds to:
    40 atoms, each somewhere else in every run.
    """
    from pymatgen.core import Lattice, Structure

    cell = Structure.from_spacegroup(
        "Pm-3m", Lattice.cubic(6.29), ["Cs", "Pb", "I"], [[0.5, 0.5, 0.5], [0, 0, 0], [0, 0, 0.5]]
    )
    cell.make_supercell(2)
    cell.perturb(0.1)
    return str(cell.to(fmt="poscar"))


def test_describing_shows_progress_can_be_cancelled_and_then_fills_the_box(visit: Open) -> None:
    salt = next(entry for entry in load_examples() if entry["name"] == "NaCl.cif")
    found = visit()
    # A text kept from an earlier run would be there before anyone could cancel.
    paste(found, slow_to_describe())
    found.page.click("#hs-describe")
    found.page.wait_for_selector("#hs-status .hs-busy")
    found.page.click("#hs-cancel")
    found.page.wait_for_function("() => document.querySelector('#hs-status').innerText.startsWith('Cancelled')")
    assert found.page.input_value("#hs-description textarea") == ""
    paste(found, salt["structure"])
    found.page.click("#hs-describe")
    found.page.wait_for_function(
        "() => document.querySelector('#hs-description textarea').value.length > 20", timeout=180_000
    )
    # The very words that the example comes with: nobody wrote those by hand.
    assert found.page.input_value("#hs-description textarea") == salt["description"]
    assert found.page.locator("#hs-cancel").is_hidden()
    found.page.click("#hs-predict")
    found.answered()
    assert "description" in found.page.inner_text(".hs-from")


def test_the_first_picture_shows_the_whole_crystal(visit: Open) -> None:
    """Drawn once more, nothing moves: what warms the graphics up before the first picture must leave no trace in it."""
    import io

    import numpy as np
    from PIL import Image

    found = visit()
    upload(found, "POSCAR", POSCAR)
    found.answered()
    picture = found.page.locator("#hs-maps [data-role=picture]")
    found.page.wait_for_selector("#hs-maps [data-role=picture][data-drawn]")
    seen = []
    for _ in range(2):
        found.page.wait_for_timeout(1000)
        seen.append(np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("L"), dtype=float))
        found.page.evaluate("() => window.Plotly.redraw(document.querySelector('#hs-maps [data-role=picture]'))")
    assert seen[0].std() > 5, "there is a picture"
    assert np.abs(seen[0] - seen[1]).mean() < 1


def test_strain_moves_the_gap_under_the_slider(visit: Open) -> None:
    found = visit()
    upload(found, "POSCAR", POSCAR)
    gap = found.answered()
    found.page.click("#hs-strain [data-role=ask]")
    found.page.wait_for_selector("#hs-strain .main-svg")
    assert f"{gap:.2f} eV (+0.00 eV)" in found.page.inner_text("#hs-strain output")
    found.page.fill("#hs-strain input[type=range]", "2")
    assert found.page.inner_text("#hs-strain output").startswith("+2.0 %")
    upload(found, "Si.cif", SILICON)  # another crystal: the curve of the one before must go
    found.page.wait_for_selector("#hs-strain [data-role=result]", state="hidden")


def test_the_answer_can_be_taken_along(visit: Open, client: httpx.Client, tmp_path: Path) -> None:
    found = visit()
    paste(found, PEROVSKITE, DESCRIPTION)
    found.page.click("#hs-predict")
    gap = found.answered()
    saved = {}
    for what in ("json", "csv", "cif", "png"):
        with found.page.expect_download() as download:
            found.page.click(f"[data-hs-share={what}]")
        saved[what] = tmp_path / download.value.suggested_filename
        download.value.save_as(saved[what])
    assert json.loads(saved["json"].read_text())["gap_ev"] == pytest.approx(gap, abs=1e-6)
    atoms = client.post("/predict", json={"structure": PEROVSKITE, "description": DESCRIPTION}).json()["atoms"]
    [layer] = atoms[0]["gate"]
    rows = list(csv.DictReader(saved["csv"].open()))
    assert [row["Element"] for row in rows] == [atom["element"] for atom in atoms]
    assert [float(row["Gate"]) for row in rows] == pytest.approx([atom["gate"][layer] for atom in atoms], abs=1e-6)
    cif = saved["cif"].read_text()
    assert client.post("/predict", json={"structure": cif}).json()["formula"] == "SrTiO3"
    assert f"_atom_site_text_share_{layer}" in cif
    assert f"{atoms[1]['gate'][layer]:.4f}"[:5] in cif
    assert saved["png"].read_bytes().startswith(b"\x89PNG")
    found.page.click("[data-hs-share=python]")
    found.page.wait_for_function("() => document.querySelector('.hs-said').innerText === 'Copied.'")
    script = found.page.evaluate("() => navigator.clipboard.readText()")
    printed: list[str] = []
    exec(script, {"print": lambda *words: printed.append(" ".join(map(str, words)))})
    assert float(printed[0].split()[0]) == pytest.approx(gap, abs=1e-6)
    found.page.click("[data-hs-share=curl]")
    found.page.wait_for_function("async () => (await navigator.clipboard.readText()).startsWith('curl ')")
    command = shlex.split(found.page.evaluate("() => navigator.clipboard.readText()"))
    assert command[2] == f"{str(client.base_url).rstrip('/')}/predict"
    assert client.post("/predict", json=json.loads(command[-1])).json()["gap_ev"] == pytest.approx(gap, abs=1e-6)


def test_from_click_to_picture_nothing_but_the_answer_is_fetched(visit: Open) -> None:
    """Scripts and graphics are ready by then; how long it takes is measured by `python benchmarks/page.py`."""
    found = visit(alone=True)
    # The page has used the time of reading and pasting.
    found.page.wait_for_selector("#hs-maps [data-role=picture] canvas", state="attached")
    for structure in (SILICON, PEROVSKITE, SILICON):
        paste(found, structure, DESCRIPTION)
        found.page.evaluate("() => document.querySelector('[data-drawn]')?.removeAttribute('data-drawn')")
        before = len(found.asked)
        found.page.click("#hs-predict")
        found.answered()
        fetched = [urlsplit(url).path.removeprefix("/ui/gradio_api") for url in found.asked[before:]]
        assert sorted(fetched) == ["/queue/data", "/queue/join"]


def test_nothing_of_one_visitor_is_seen_by_another(visit: Open) -> None:
    first, second = visit(alone=True), visit(alone=True)
    upload(first, "POSCAR", POSCAR)
    first.answered()
    second.page.reload()
    second.page.wait_for_selector(".hs-empty")
    assert second.page.input_value("#hs-structure textarea") == ""
    assert second.page.locator(".hs-gap").count() == 0
