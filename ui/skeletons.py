"""Fixed HTML of the page's own parts.

No braces in pairs, dollars or backticks: Gradio reads these strings as templates.
Words between double percent signs are keys of the catalogues.
"""

from __future__ import annotations

HEADER = """
<header class="hs-header">
  <div class="hs-brand"><svg viewBox="0 0 32 32" width="34" height="34" aria-hidden="true">
    <rect x="2" y="18.5" width="28" height="11" rx="2.5" class="hs-valence"/>
    <rect x="2" y="2.5" width="28" height="6" rx="2.5" class="hs-conduction"/>
    <path d="M16 17.2V10.2m0 0l-3 3.2m3-3.2l3 3.2" class="hs-arrow"/></svg>
    <div><h1>hsegap</h1><p>%%page.tagline%%</p></div></div>
  <nav aria-label="%%header.elsewhere%%"><a href="../docs.json" data-hs-link="docs.json">%%header.api%%</a>
    <button type="button" class="hs-button" data-hs-language="%%language.other_code%%"
      lang="%%language.other_tag%%">%%language.other%%</button>
    <button type="button" class="hs-button" data-hs-theme aria-label="%%header.colours%%">
      <span class="hs-in-light">%%header.dark%%</span><span class="hs-in-dark">%%header.light%%</span></button></nav>
</header>
"""

SOURCE = """
<div class="hs-source">
  <h2>%%source.title%%</h2>
  <div class="hs-chips" role="group" aria-label="%%source.examples%%" data-role="chips"></div>
  <label class="hs-drop" data-role="drop">
    <input type="file" data-role="file" aria-label="%%source.file%%"
      accept=".cif,.mcif,.vasp,.poscar,.contcar,.xyz,.extxyz,.json,.txt,text/plain,chemical/x-cif,*">
    <span><strong>%%source.drop%%</strong> <u>%%source.choose%%</u></span>
    <small data-role="said" role="status">%%source.kinds%%</small>
  </label>
</div>
"""

GATE = """
<div class="hs-stale-note" data-role="note" role="status" hidden>
  <span data-role="words">%%stale.note%%</span>
  <button type="button" class="hs-button" data-role="again">%%stale.again%%</button>
</div>
"""

CRYSTAL = """
<div class="hs-maps" data-role="all" hidden>
  <div class="hs-maps-head"><h2 data-role="title">%%map.title%%</h2>
    <div class="hs-toolbar">
      <div class="hs-seg" role="radiogroup" aria-label="%%map.choose%%" data-role="maps"></div>
      <label class="hs-field" data-role="layer-field">%%map.layer_label%% <select data-role="layer"></select></label>
      <label class="hs-check" data-role="fixed-field"><input type="checkbox" data-role="fixed"> %%map.fixed%%</label>
    </div></div>
  <p class="hs-told-said" data-role="told" role="status" hidden></p>
  <div class="hs-seg" role="radiogroup" aria-label="%%map.inside%%" data-role="inside" hidden></div>
  <p class="hs-meaning" data-role="meaning"></p>
  <div class="hs-maps-body">
    <figure class="hs-figure">
      <div class="hs-toolbar">
        <label class="hs-field" data-role="cell-field">%%cell.label%% <select data-role="cell"></select></label>
        <label class="hs-check"><input type="checkbox" data-role="supercell"> %%cell.supercell%%</label>
        <label class="hs-check"><input type="checkbox" data-role="bonds" checked> %%cell.bonds%%</label>
        <label class="hs-check"><input type="checkbox" data-role="polyhedra"> %%cell.polyhedra%%</label>
      </div>
      <div class="hs-stage" data-role="stage">
        <div class="hs-picture" data-role="picture" role="group" aria-label="%%map.picture%%"></div>
        <svg class="hs-triad" data-role="triad" viewBox="-50 -50 100 100" aria-hidden="true"></svg>
        <div class="hs-views" role="group" aria-label="%%view.label%%" data-role="views">
          <button type="button" class="hs-button" data-view="a" title="%%view.a%%" aria-label="%%view.a%%">a</button>
          <button type="button" class="hs-button" data-view="b" title="%%view.b%%" aria-label="%%view.b%%">b</button>
          <button type="button" class="hs-button" data-view="c" title="%%view.c%%" aria-label="%%view.c%%">c</button>
          <button type="button" class="hs-button" data-view="in" title="%%view.in%%" aria-label="%%view.in%%">+</button>
          <button type="button" class="hs-button" data-view="out" title="%%view.out%%"
            aria-label="%%view.out%%">−</button>
          <button type="button" class="hs-button" data-view="reset" title="%%view.reset_title%%">%%view.reset%%</button>
        </div>
      </div>
      <figcaption><p class="hs-note" data-role="note" role="status"></p><p class="hs-note" data-role="cell-words"></p>
        <div class="hs-legend" data-role="legend"></div></figcaption></figure>
    <section class="hs-read" data-role="read" aria-label="%%read.title%%"></section>
    <div class="hs-table-side" data-role="table"></div>
  </div>
  <section class="hs-explained" data-role="explained" aria-label="%%near.title%%"></section>
</div>
"""

WEIGHED = """
<div class="hs-weighed" data-role="all" hidden>
  <div class="hs-maps-head"><h2>%%weighed.title%%</h2>
    <button type="button" class="hs-button" data-role="ask">%%weighed.ask%%</button></div>
  <p class="hs-meaning">%%weighed.meaning%%</p>
  <p class="hs-note" data-role="note" role="status" hidden></p>
  <div data-role="result"></div>
</div>
"""

STRAIN = """
<div class="hs-strain" data-role="all" hidden>
  <div class="hs-maps-head"><h2>%%strain.title%%</h2>
    <div class="hs-toolbar">
      <label class="hs-field">%%strain.along%% <select data-role="along"><option value="all">%%strain.all%%</option>
        <option>a</option><option>b</option><option>c</option></select></label>
      <button type="button" class="hs-button" data-role="ask">%%strain.ask%%</button></div></div>
  <p class="hs-meaning">%%strain.meaning%%</p>
  <p class="hs-note" data-role="note" role="status" hidden></p>
  <div data-role="result" hidden>
    <label class="hs-slider">%%strain.slider%%
      <input type="range" min="-3" max="3" step="0.1" value="0" data-role="slider">
      <output data-role="value"></output></label>
    <div class="hs-plot" data-role="plot" role="img" aria-label="%%strain.plot%%"></div>
    <ul class="hs-warned" data-role="warned" aria-label="%%strain.warned%%" hidden></ul>
  </div>
  <div class="hs-maps-head hs-swap-head"><h2>%%swap.title%%</h2>
    <button type="button" class="hs-button" data-role="swap">%%swap.ask%%</button></div>
  <p class="hs-meaning">%%swap.meaning%%</p>
  <p class="hs-note" data-role="swap-note" role="status" hidden></p>
  <div data-role="swaps"></div>
</div>
"""

BATCH = """
<div class="hs-batch" data-role="all" hidden>
  <div class="hs-maps-head"><h2>%%batch.results%%</h2>
    <div class="hs-toolbar">
      <label class="hs-field">%%batch.filter%%
        <input type="search" data-role="filter" placeholder="%%batch.filter_example%%"></label>
      <button type="button" class="hs-button" data-role="csv">CSV</button>
      <button type="button" class="hs-button" data-role="json">JSON</button>
    </div></div>
  <p class="hs-meaning">%%batch.help%%</p>
  <p class="hs-note" data-role="said" role="status"></p>
  <div data-role="table"></div>
  <div data-role="failures"></div>
  <div class="hs-plots"><div class="hs-plot" data-role="histogram" role="img" aria-label="%%plot.histogram%%"></div>
    <div class="hs-plot" data-role="scatter" role="img" aria-label="%%plot.scatter%%"></div></div>
</div>
"""
