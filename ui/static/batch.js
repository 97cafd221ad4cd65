// The results of a batch: table with filter, failures with reasons, two plots, downloads.
import { axis, colour, font, loadPlotly, onTheme } from "./plot.js";
import { saveJson, saveText } from "./share.js";
import { Table } from "./table.js";

const COLUMNS = [
  { label: "File", key: "file" },
  { label: "Formula", key: "formula" },
  { label: "Atoms", key: "n_atoms", numeric: true, digits: 0 },
  { label: "Gap (eV)", key: "gap_ev", numeric: true, digits: 2 },
  { label: "From", key: "interval_low_ev", numeric: true, digits: 2, title: "Lower end of the interval, eV", optional: true },
  { label: "To", key: "interval_high_ev", numeric: true, digits: 2, title: "Upper end of the interval, eV", optional: true },
  { label: "Kind", key: "kind" },
  { label: "Warnings", key: "warnings" },
];

const element = (name, words, classes = "") => Object.assign(document.createElement(name), { textContent: words, className: classes });

export function mountBatch(root, { props, watch }) {
  const find = (role) => root.querySelector(`[data-role="${role}"]`);
  let table = null;

  function failures(rows) {
    const failed = rows.filter((row) => row.error);
    if (!failed.length) return [];
    const list = element("ul", "", "hs-failures");
    for (const row of failed) {
      const item = document.createElement("li");
      item.append(element("strong", row.file), element("span", `${row.message} ${row.hint}`), element("code", row.error));
      list.append(item);
    }
    return [element("h3", `Failed: ${failed.length}`), list];
  }

  async function plots() {
    const rows = (props.value?.rows ?? []).filter((row) => !row.error);
    for (const role of ["histogram", "scatter"]) find(role).hidden = !rows.length;
    if (!rows.length) return;
    const Plotly = await loadPlotly();
    const layout = (x, y) => ({
      autosize: true, height: 290, margin: { l: 8, r: 12, t: 8, b: 8 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: font(), bargap: 0.06,
      xaxis: { ...axis(x), fixedrange: true }, yaxis: { ...axis(y), fixedrange: true, rangemode: "tozero" }, showlegend: false,
    });
    const options = { displayModeBar: false, responsive: true };
    const gaps = rows.map((row) => row.gap_ev);
    const counted = layout("gap (eV)", "crystals");
    if (rows.length <= 20) counted.yaxis.dtick = 1;
    await Plotly.react(find("histogram"), [{ type: "histogram", x: gaps, xbins: { start: 0, size: gaps.length > 60 ? 0.25 : 0.5 }, marker: { color: colour("--hs-accent") }, hovertemplate: "%{x} eV: %{y}<extra></extra>" }],
      counted, options);
    const known = rows.filter((row) => row.electronegativity !== null);
    const bars = known.every((row) => row.interval_low_ev !== null)
      ? { type: "data", symmetric: false, array: known.map((row) => row.interval_high_ev - row.gap_ev), arrayminus: known.map((row) => row.gap_ev - row.interval_low_ev), color: colour("--hs-line"), thickness: 1 }
      : undefined;
    const points = {
      mode: "markers", x: known.map((row) => row.electronegativity), y: known.map((row) => row.gap_ev), text: known.map((row) => `${row.formula} · ${row.file}`), error_y: bars,
      marker: { size: 9, color: colour("--hs-accent"), line: { color: colour("--hs-card"), width: 1 } }, hovertemplate: "%{text}<br>%{y:.2f} eV<extra></extra>",
    };
    await Plotly.react(find("scatter"), [points], layout("mean electronegativity (Pauling)", "gap (eV)"), options);
  }

  function update() {
    const given = props.value;
    find("all").hidden = !given;
    if (!given) return;
    const columns = COLUMNS.filter((column) => !column.optional || given.rows.some((row) => row[column.key] !== null && row[column.key] !== undefined));
    const rows = given.rows.filter((row) => !row.error).map((row) => columns.map((column) => row[column.key]));
    const sorted = table?.sorted;
    table = new Table(find("table"), { columns, rows, caption: `Predicted gaps: ${rows.length} of ${given.total}` });
    if (sorted && sorted.column !== null && sorted.column < columns.length) {
      table.sort(sorted.column);
      if (!sorted.up) table.sort(sorted.column);
    }
    table.search(find("filter").value);
    find("failures").replaceChildren(...failures(given.rows));
    for (const role of ["csv", "json"]) find(role).disabled = !given.answers;
    plots();
  }

  find("filter").addEventListener("input", (event) => table?.search(event.target.value));
  find("csv").addEventListener("click", () => saveText("hsegap-batch.csv", "text/csv", props.value.csv));
  find("json").addEventListener("click", () => saveJson("hsegap-batch.json", { items: props.value.answers }));
  onTheme(() => props.value && plots());
  watch("value", update);
  update();
}
