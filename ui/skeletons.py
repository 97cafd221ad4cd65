"""Fixed HTML of the page's own parts.

No braces in pairs, dollars or backticks: Gradio reads these strings as templates.
"""

from __future__ import annotations

HEADER = """
<header class="hs-header">
  <div class="hs-brand"><svg viewBox="0 0 32 32" width="34" height="34" aria-hidden="true">
    <rect x="2" y="18.5" width="28" height="11" rx="2.5" class="hs-valence"/>
    <rect x="2" y="2.5" width="28" height="6" rx="2.5" class="hs-conduction"/>
    <path d="M16 17.2V10.2m0 0l-3 3.2m3-3.2l3 3.2" class="hs-arrow"/></svg>
    <div><h1>TITLE</h1><p>TAGLINE</p></div></div>
  <nav aria-label="Elsewhere"><a href="../docs.json" data-hs-link="docs.json">API document</a>
    <button type="button" class="hs-button" data-hs-theme aria-label="Switch between light and dark colours">
      <span class="hs-in-light">Dark</span><span class="hs-in-dark">Light</span></button></nav>
</header>
"""

SOURCE = """
<div class="hs-source">
  <h2>Crystal</h2>
  <div class="hs-chips" role="group" aria-label="Example crystals" data-role="chips"></div>
  <label class="hs-drop" data-role="drop">
    <input type="file" data-role="file" aria-label="Structure file"
      accept=".cif,.mcif,.vasp,.poscar,.contcar,.xyz,.extxyz,.json,.txt,text/plain,chemical/x-cif,*">
    <span><strong>Drop a structure file</strong> or <u>choose one</u></span>
    <small data-role="said">CIF, POSCAR/CONTCAR, XYZ, JSON; it is predicted at once</small>
  </label>
</div>
"""

CRYSTAL = """
<div class="hs-maps" data-role="all" hidden>
  <div class="hs-maps-head"><h2 data-role="title">Atom by atom</h2>
    <div class="hs-toolbar">
      <div class="hs-seg" role="radiogroup" aria-label="Colour the atoms by" data-role="maps"></div>
      <label class="hs-field" data-role="layer-field">Layer
        <select data-role="layer" aria-label="Fusion layer"></select></label>
      <label class="hs-check"><input type="checkbox" data-role="supercell"> 2×2×2 cells</label>
      <label class="hs-check"><input type="checkbox" data-role="bonds" checked> bonds</label>
      <label class="hs-check" data-role="fixed-field"><input type="checkbox" data-role="fixed"> scale 0–1</label>
    </div></div>
  <p class="hs-meaning" data-role="meaning"></p>
  <div class="hs-maps-body">
    <figure class="hs-figure">
      <div class="hs-picture" data-role="picture" role="group" aria-label="Crystal structure"></div>
      <figcaption><p class="hs-note" data-role="note" role="status"></p>
        <div class="hs-legend" data-role="legend"></div></figcaption></figure>
    <div class="hs-table-side" data-role="table"></div>
  </div>
</div>
"""

STRAIN = """
<div class="hs-strain" data-role="all" hidden>
  <div class="hs-maps-head"><h2>What if the cell were strained?</h2>
    <button type="button" class="hs-button" data-role="ask">Strain by −3 … +3 %</button></div>
  <p class="hs-meaning">All three cell vectors stretched alike, atoms at the same fractional places, the description
    kept as it is.</p>
  <p class="hs-note" data-role="note" role="status"></p>
  <div data-role="result" hidden>
    <label class="hs-slider">Strain <input type="range" min="-3" max="3" step="0.1" value="0" data-role="slider">
      <output data-role="value"></output></label>
    <div class="hs-plot" data-role="plot" role="img" aria-label="Gap against strain"></div>
  </div>
</div>
"""

BATCH = """
<div class="hs-batch" data-role="all" hidden>
  <div class="hs-maps-head"><h2>Results</h2>
    <div class="hs-toolbar">
      <label class="hs-field">Filter <input type="search" data-role="filter" placeholder="formula, file, kind"></label>
      <button type="button" class="hs-button" data-role="csv">CSV</button>
      <button type="button" class="hs-button" data-role="json">JSON</button>
    </div></div>
  <div data-role="table"></div>
  <div data-role="failures"></div>
  <div class="hs-plots"><div class="hs-plot" data-role="histogram" role="img" aria-label="Histogram of the gaps"></div>
    <div class="hs-plot" data-role="scatter" role="img" aria-label="Gap against mean electronegativity"></div></div>
</div>
"""
