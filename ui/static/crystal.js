// The 3D crystal, its colours, its note and its table: everything here works on the answer the browser already has.
import { PLOTLY_DIVERGING, PLOTLY_VIRIDIS, QUIET, colour, diverging, font, loadPlotly, onTheme, viridis } from "./plot.js";
import { cellLines, crystalMesh, sphereMesh } from "./geometry.js";
import { Table } from "./table.js";
import { cameraAlong, cornersOf, drawTriad, frameOf, polyhedraMesh, usualCamera } from "./viewer.js";
import { t } from "./words.js";

const ELEMENTS = { name: "element", layer: "", label: t("map.element"), meaning: t("map.element_meaning") };
// The height of the colour bar, and how much larger one press of a button makes the crystal.
const BAR = 0.14;
const STEP = 1.3;
// As in ui/maps.py: below this the note says that the colours suggest more than there is.
const NEARLY_FLAT = 0.02;
// Plotly takes the light's place relative to the camera; nearer than the crystal is negative.
const LIGHT = { x: -1, y: 1.2, z: -2.5 };
const HIDDEN = { visible: false, showspikes: false };
// The wheel scrolls the page; the buttons beside the picture zoom.
const OPTIONS = { ...QUIET, scrollZoom: false };
const layerTitle = (layer) => t("map.layer", { n: layer.replace(/^.*_/, "") });
const fullLabel = (map) => (map.unit ? `${map.label} (${map.unit})` : t("map.label_layer", { label: map.label, layer: layerTitle(map.layer) }));
// The tab behind which the maps from inside the network stand, where there are maps in eV.
const INSIDE = "inside";

class CrystalView {
  constructor(element) {
    this.find = (role) => element.querySelector(`[data-role="${role}"]`);
    this.payload = null;
    this.wanted = null;
    for (const role of ["supercell", "bonds", "fixed", "polyhedra"]) this.find(role).addEventListener("change", () => this.draw());
    this.find("cell").addEventListener("change", () => this.chooseCell());
    this.find("views").addEventListener("click", (event) => event.target.dataset?.view && this.look(event.target.dataset.view));
    this.zoom = 1;
    this.find("layer").addEventListener("change", (event) => this.choose(this.map.name, event.target.value));
    if (window.hsegap.wantedMap) this.want(...window.hsegap.wantedMap.split("/"));
    window.addEventListener("hsegap-want-map", ({ detail }) => this.want(...detail.split("/")));
    onTheme(() => this.payload && this.draw());
    new ResizeObserver(() => {
      const picture = this.find("picture");
      if (picture.data && picture.offsetWidth) window.Plotly.Plots.resize(picture);
    }).observe(this.find("picture"));
    (window.requestIdleCallback ?? ((later) => setTimeout(later, 300)))(() => (this.warming ??= this.warmUp()));
  }

  // The first picture of a page costs a second of compiling shaders; an atom nobody sees pays for it while the visitor reads.
  async warmUp() {
    const Plotly = await loadPlotly();
    const mesh = sphereMesh([[0, 0, 0]], [1]);
    const ball = { type: "mesh3d", x: mesh.x, y: mesh.y, z: mesh.z, i: mesh.i, j: mesh.j, k: mesh.k, intensity: mesh.x, colorscale: PLOTLY_VIRIDIS, showscale: false };
    const line = { type: "scatter3d", mode: "lines+text", x: [0, 1], y: [0, 1], z: [0, 1], text: ["a", "b"], showlegend: false };
    await Plotly.newPlot(this.find("picture"), [ball, line], { width: 300, height: 300, scene: { xaxis: HIDDEN, yaxis: HIDDEN, zaxis: HIDDEN } }, OPTIONS);
  }

  show(payload) {
    this.find("all").hidden = !payload;
    this.payload = payload;
    window.hsegap.result = payload;
    window.dispatchEvent(new CustomEvent("hsegap-answer", { detail: payload }));
    // On a phone the answer stands below everything that was asked: bring it up.
    if (payload && window.innerWidth < 900) document.getElementById("hs-answer")?.scrollIntoView({ block: "start", behavior: "smooth" });
    if (!payload) return;
    this.camera = null;
    this.zoom = 1;
    this.chosen = null;
    this.find("read").innerHTML = payload.read; // made and escaped by the server
    this.offerCells();
    this.all = [...payload.maps, ELEMENTS];
    this.find("told").textContent = payload.told;
    this.find("told").hidden = !payload.told;
    this.find("explained").innerHTML = payload.explained; // made and escaped by the server
    this.offerMaps();
    const { columns, rows } = payload.table;
    this.table = new Table(this.find("table"), {
      columns,
      rows,
      caption: t("map.caption", { formula: payload.scene.formula, n: rows.length }),
      onPoint: (row) => this.highlight(row ?? this.chosen),
      onChoose: (row) => this.select(row === this.chosen ? null : row),
      cell: (cell, value, column) => this.swatch(cell, value, column),
    });
    const before = this.wanted && this.all.find((map) => map.name === this.wanted.name && map.layer === this.wanted.layer);
    this.choose((before ?? this.all[0]).name, (before ?? this.all[0]).layer, { remember: false });
  }

  // The cells to look at; a choice other than "as read" stays for the next crystal.
  offerCells() {
    const { cells } = this.payload.scene;
    const select = this.find("cell");
    const before = cells[select.value] ? select.value : "read";
    select.replaceChildren(...Object.keys(cells).map((name) => new Option(t(`cell.${name}`), name, false, name === before)));
    this.find("cell-field").hidden = Object.keys(cells).length < 2;
    this.chooseCell({ redraw: false });
  }

  chooseCell({ redraw = true } = {}) {
    const { cells } = this.payload.scene;
    const name = this.find("cell").value || "read";
    this.cell = cells[name];
    this.camera = null;
    const super_ = this.find("supercell");
    super_.disabled = !this.cell.views["2"];
    if (super_.disabled) super_.checked = false;
    this.find("polyhedra").disabled = !this.cell.views["1"]?.polyhedra.length;
    this.find("cell-words").textContent = name === "read" ? "" : t("cell.words", { cell: t(`cell.${name}`), words: this.cell.words, n: this.cell.atoms });
    if (redraw) this.draw();
  }

  // A button beside the picture: along an axis, larger, smaller, or as at first.
  look(how) {
    const axis = "abc".indexOf(how);
    if (axis >= 0) this.camera = cameraAlong(this.cell.lattice, axis);
    else if (how === "reset") [this.camera, this.zoom] = [null, 1];
    else this.zoom = Math.min(6, Math.max(1, this.zoom * (how === "in" ? STEP : 1 / STEP)));
    this.draw();
  }

  offerMaps() {
    const labels = (maps) => [...new Map(maps.map((map) => [map.name, map.label]))];
    const inEv = this.all.filter((map) => map.unit);
    const inner = this.all.filter((map) => !map.unit && map !== ELEMENTS);
    this.inner = new Set(inEv.length ? inner.map((map) => map.name) : []);
    const tab = this.inner.size ? [[INSIDE, t("map.inside")]] : [];
    const first = inEv.length ? [...labels(inEv), ...tab, [ELEMENTS.name, ELEMENTS.label]] : labels(this.all);
    this.radios("maps", "hs-map", first);
    this.radios("inside", "hs-map-inside", this.inner.size ? labels(inner) : []);
  }

  radios(role, group, names) {
    const made = names.map(([name, label]) => {
      const field = document.createElement("label");
      const radio = document.createElement("input");
      Object.assign(radio, { type: "radio", name: group, value: name });
      radio.addEventListener("change", () => this.choose(name, this.find("layer").value));
      field.append(radio, document.createTextNode(label));
      return field;
    });
    this.find(role).replaceChildren(...made);
  }

  choose(name, layer, { remember = true } = {}) {
    if (name === INSIDE) [name] = this.inner;
    const layers = this.all.filter((map) => map.name === name);
    this.map = layers.find((map) => map.layer === layer) ?? layers[0];
    if (remember) {
      this.wanted = { name: this.map.name, layer: this.map.layer };
      window.dispatchEvent(new CustomEvent("hsegap-map", { detail: `${this.map.name}/${this.map.layer}` }));
    }
    const inside = this.inner.has(name);
    for (const radio of this.find("maps").querySelectorAll("input")) radio.checked = radio.value === (inside ? INSIDE : name);
    for (const radio of this.find("inside").querySelectorAll("input")) radio.checked = radio.value === name;
    this.find("inside").hidden = !inside;
    const heading = this.payload.prediction.description.text ? "map.title_text" : "map.title";
    this.find("title").textContent = t(this.map.unit ? "map.title_ev" : this.map === ELEMENTS ? "map.title" : heading);
    const select = this.find("layer");
    select.replaceChildren(...layers.map((map) => new Option(layerTitle(map.layer), map.layer, false, map === this.map)));
    this.find("layer-field").hidden = layers.length < 2;
    this.find("fixed-field").hidden = this.map === ELEMENTS || Boolean(this.map.unit);
    this.find("meaning").textContent = this.map.meaning;
    this.table.draw();
    this.draw();
  }

  // A map that the address names: shown now or with the next answer that has it.
  want(name, layer) {
    this.wanted = { name, layer };
    if (this.payload && this.all.some((map) => map.name === name && map.layer === layer)) this.choose(name, layer, { remember: false });
  }

  // Colour limits: the crystal's own range; 0 to 1 where the visitor asks for it, or where the atoms differ by so little that a
  // stretched scale would show what is not there.
  limits(map = this.map) {
    if (map === ELEMENTS) return [0, 1];
    if (map.unit) return [-map.scale, map.scale];
    const fixed = this.find("fixed").checked || map.flat || map.highest - map.lowest <= NEARLY_FLAT;
    return fixed ? [Math.min(0, map.lowest), Math.max(1, map.highest)] : [map.lowest, map.highest];
  }

  siteColour(site, map = this.map) {
    if (map === ELEMENTS) return this.payload.scene.elements[this.payload.scene.symbols[site]].colour;
    const [low, high] = this.limits(map);
    return (map.unit ? diverging : viridis)((map.values[site] - low) / (high - low));
  }

  swatch(cell, value, column) {
    if (column.map === null || this.payload.maps[column.map] !== this.map) return;
    const dot = document.createElement("i");
    dot.className = "hs-swatch";
    dot.style.background = this.siteColour(this.payload.maps[column.map].values.indexOf(value));
    cell.prepend(dot);
  }

  describeSite(site) {
    const { symbols } = this.payload.scene;
    const lines = [`<b>${symbols[site]}</b> · ${t("map.atom", { n: site })}`];
    for (const map of this.payload.maps) {
      const line = `${fullLabel(map)}: ${map.values[site].toFixed(4)}`;
      lines.push(map === this.map ? `<b>${line}</b>` : line);
    }
    return lines.join("<br>");
  }

  async draw() {
    try {
      await this.drawPicture();
    } catch (error) {
      console.warn("the picture could not be drawn", error);
      this.find("note").hidden = false;
      this.find("note").textContent = `${t("map.not_drawn")} ${this.map.note ?? ""}`;
    }
  }

  async drawPicture() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const { scene } = this.payload;
    this.words();
    const view = this.cell.views[this.find("supercell").checked ? "2" : "1"];
    const picture = this.find("picture");
    this.find("stage").hidden = !view;
    if (!view) {
      this.find("note").textContent = `${t("map.too_many")} ${this.map.note ?? ""}`;
      return;
    }
    const Plotly = await loadPlotly();
    await (this.warming ??= this.warmUp());
    if (turn !== this.turn) return; // a later choice is already being drawn
    this.view = view;
    const mesh = crystalMesh(scene, view, { bonds: this.find("bonds").checked });
    this.vertexAtom = mesh.atom;
    const words = view.sites.map((site) => this.describeSite(site));
    const trace = {
      type: "mesh3d", x: mesh.x, y: mesh.y, z: mesh.z, i: mesh.i, j: mesh.j, k: mesh.k, flatshading: false, hoverinfo: "text",
      text: mesh.atom.map((atom) => words[atom]), facenormalsepsilon: 0, vertexnormalsepsilon: 0,
      lighting: { ambient: 0.68, diffuse: 0.5, specular: 0.06, roughness: 0.5, fresnel: 0.05 },
      lightposition: LIGHT, hoverlabel: { bgcolor: colour("--hs-card"), bordercolor: colour("--hs-line"), font: font(), align: "left" },
    };
    const [low, high] = this.limits();
    Object.assign(trace, this.map === ELEMENTS ? this.elementColours(mesh, view) : {
      intensity: mesh.atom.map((atom) => this.map.values[view.sites[atom]]), colorscale: this.map.unit ? PLOTLY_DIVERGING : PLOTLY_VIRIDIS, cmin: low, cmax: high, colorbar: this.colourBar(low, high),
    });
    const line = cellLines(this.cell.lattice, view.repeat);
    const outline = { type: "scatter3d", mode: "lines", ...line, hoverinfo: "skip", showlegend: false, line: { color: colour("--hs-muted"), width: 2 } };
    await Plotly.react(picture, [trace, outline, this.polyhedra(), this.halo(this.chosen)], this.layout(picture), OPTIONS);
    drawTriad(this.find("triad"), this.cell.lattice, picture.layout.scene.camera);
    if (!this.listening) {
      // Where the atom of warmUp was, the first picture would keep that one's size: once more makes it the crystal's.
      await Plotly.redraw(picture);
      if (turn !== this.turn) return;
      this.listening = true;
      picture.on("plotly_click", ({ points }) => this.fromPicture(points[0]));
      picture.on("plotly_relayouting", (moved) => moved["scene.camera"] && drawTriad(this.find("triad"), this.cell.lattice, moved["scene.camera"]));
      picture.on("plotly_relayout", () => this.turned(picture));
    }
    picture.dataset.drawn = `${this.map.name}/${this.map.layer}/${view.repeat}`;
    picture.dataset.cell = this.find("cell").value || "read";
  }

  // A crystal may be turned, not pushed out of the picture.
  turned(picture) {
    const { camera, aspectratio } = picture.layout.scene;
    this.camera = { ...camera, center: { x: 0, y: 0, z: 0 } };
    drawTriad(this.find("triad"), this.cell.lattice, this.camera);
    const pushed = Object.values(camera.center ?? {}).some((part) => Math.abs(part) > 1e-6);
    const resized = Math.abs(aspectratio.x - this.frame(picture).aspectratio.x) > 1e-6;
    if (pushed || resized) this.draw();
  }

  polyhedra() {
    const shown = this.find("polyhedra").checked ? this.view.polyhedra : [];
    return {
      type: "mesh3d", ...polyhedraMesh(shown, (site) => this.siteColour(site)), opacity: 0.45, flatshading: true, hoverinfo: "skip", showscale: false,
      lighting: { ambient: 0.75, diffuse: 0.4, specular: 0 }, lightposition: LIGHT, visible: shown.length > 0,
    };
  }

  // Elements as steps of a colour scale: Plotly would mix colours given by vertex with the scale that was there before.
  elementColours(mesh, view) {
    const { symbols, elements } = this.payload.scene;
    const names = Object.keys(elements);
    const colorscale = names.flatMap((name, place) => [[place / names.length, elements[name].colour], [(place + 1) / names.length, elements[name].colour]]);
    return {
      intensity: mesh.atom.map((atom) => names.indexOf(symbols[view.sites[atom]]) + 0.5), colorscale, cmin: 0, cmax: names.length, showscale: false,
    };
  }

  words() {
    const { scene } = this.payload;
    const note = this.find("note");
    const legend = this.find("legend");
    legend.hidden = this.map !== ELEMENTS;
    note.hidden = this.map === ELEMENTS;
    note.textContent = this.map.note ?? "";
    note.classList.toggle("hs-flat", Boolean(this.map.flat) || this.map.highest - this.map.lowest <= NEARLY_FLAT);
    legend.replaceChildren(...Object.entries(scene.elements).map(([symbol, { colour: fill }]) => {
      const entry = document.createElement("span");
      const dot = document.createElement("i");
      dot.className = "hs-swatch";
      dot.style.background = fill;
      entry.append(dot, symbol);
      return entry;
    }));
    const by = this.map === ELEMENTS ? this.map.label : fullLabel(this.map);
    this.find("picture").setAttribute("aria-label", `${t("map.spoken", { formula: scene.formula, by })} ${this.map.note ?? ""}`);
  }

  colourBar(low, high) {
    const digits = this.map.unit ? 2 : high - low < 0.01 ? 5 : 3;
    const ticks = this.map.flat && !this.map.unit ? [low, high] : [low, (low + high) / 2, high];
    return {
      orientation: "h", x: 0.5, xanchor: "center", y: 0, yanchor: "bottom", len: 0.7, thickness: 12, outlinewidth: 0, tickfont: font(),
      title: { text: fullLabel(this.map), side: "top", font: font() }, tickvals: ticks, ticktext: ticks.map((tick) => tick.toFixed(digits)),
    };
  }

  halo(site) {
    const { scene } = this.payload;
    const drawn = site === null || site === undefined ? [] : this.view.sites.flatMap((found, atom) => (found === site ? [atom] : []));
    const radius = 1.22 * (scene.elements[scene.symbols[site]]?.radius ?? 0);
    const mesh = sphereMesh(drawn.map((atom) => this.view.positions[atom]), drawn.map(() => radius));
    return {
      type: "mesh3d", x: mesh.x, y: mesh.y, z: mesh.z, i: mesh.i, j: mesh.j, k: mesh.k, color: colour("--hs-accent"), opacity: 0.38, hoverinfo: "skip", showscale: false,
      lighting: { ambient: 1, diffuse: 0, specular: 0 }, visible: drawn.length > 0,
    };
  }

  layout(picture) {
    const camera = this.camera ?? usualCamera();
    const { ranges, aspectratio } = this.frame(picture);
    const [xaxis, yaxis, zaxis] = ranges.map((range) => ({ ...HIDDEN, range, autorange: false }));
    return {
      autosize: true, margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: "rgba(0,0,0,0)", font: font(), showlegend: false, hovermode: "closest",
      uirevision: false,
      scene: { xaxis, yaxis, zaxis, aspectmode: "manual", aspectratio, dragmode: "orbit", camera, domain: { x: [0, 1], y: [this.map === ELEMENTS ? 0 : BAR, 1] } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--hs-muted"), activecolor: colour("--hs-text") },
    };
  }

  frame(picture) {
    const { repeat, positions, polyhedra } = this.view;
    const hulls = this.find("polyhedra").checked ? polyhedra.flatMap(({ corners }) => corners) : [];
    const points = [...positions, ...cornersOf(this.cell.lattice, repeat), ...hulls];
    const shape = picture.offsetWidth / (picture.offsetHeight * (this.map === ELEMENTS ? 1 : 1 - BAR));
    return frameOf(points, shape, this.zoom);
  }

  fromPicture(point) {
    const atom = this.vertexAtom?.[point.pointNumber];
    if (point.curveNumber !== 0 || atom === undefined) return;
    this.select(this.view.sites[atom]);
    this.table.reveal(this.chosen);
  }

  select(site) {
    this.chosen = site;
    this.table.mark(site);
    this.highlight(site);
  }

  highlight(site) {
    const picture = this.find("picture");
    if (!picture.data || this.lit === site) return;
    this.lit = site;
    cancelAnimationFrame(this.lighting);
    this.lighting = requestAnimationFrame(() => {
      const { x, y, z, i, j, k, visible } = this.halo(site);
      window.Plotly.restyle(picture, { x: [x], y: [y], z: [z], i: [i], j: [j], k: [k], visible }, [3]);
    });
  }
}

export function mountCrystal(element, { props, watch }) {
  const view = new CrystalView(element);
  watch("value", () => view.show(props.value));
  view.show(props.value);
}
