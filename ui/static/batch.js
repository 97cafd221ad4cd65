// The results of a batch: table with filter, failures with reasons, two plots, downloads.
import { filterOf } from "./filter.js";
import { QUIET, axis, colour, font, loadPlotly, onTheme } from "./plot.js";
import { saveJson, saveText } from "./share.js";
import { Table } from "./table.js";
import { found, t } from "./words.js";

// What is asked first stands first: gap and kind are seen on a phone. Columns without a value anywhere are left out where they are optional.
const COLUMNS = [
  { key: "gap_ev", numeric: true, digits: 2 },
  { key: "kind", words: (value) => t(`kind.${value}`) },
  { key: "formula" },
  { key: "id", wide: true },
  { key: "interval_ev_low", numeric: true, digits: 2, optional: true },
  { key: "interval_ev_high", numeric: true, digits: 2, optional: true },
  { key: "warnings", words: (codes) => codes.map((code) => found(`warning.${code}`) ?? code.replaceAll("_", " ")).join(t("list.separator")), optional: true },
  { key: "pbe_gap_ev", numeric: true, digits: 2, optional: true },
  { key: "gap_without_text_ev", numeric: true, digits: 2, optional: true, told: true },
  { key: "description_text", wide: true, optional: true },
  { key: "n_atoms", numeric: true, digits: 0 },
];

const element = (name, words, classes = "") => Object.assign(document.createElement(name), { textContent: words, className: classes });
const empty = (value) => value === null || value === undefined || value === "" || value.length === 0;

export function mountBatch(root, { props, watch }) {
  const find = (role) => root.querySelector(`[data-role="${role}"]`);
  let table = null;

  function failures(rows) {
    const failed = rows.filter((row) => row.status === "error");
    if (!failed.length) return [];
    const list = element("ul", "", "hs-failures");
    for (const row of failed) {
      const item = document.createElement("li");
      item.append(element("strong", row.id));
      const own = found(`error.${row.error_code}`);
      if (own) item.append(element("span", own));
      const said = element("span", `${row.error_message} ${row.error_hint}`);
      said.lang = "en";
      item.append(said, element("code", row.error_code));
      list.append(item);
    }
    return [element("h3", t("batch.failed", { n: failed.length })), list];
  }

  // A row becomes the input of the Predict tab, and is answered there.
  function open(row, index) {
    const input = props.value.inputs[index];
    if (!input) return;
    window.hsegap.put({ name: row.id, ...input });
    window.hsegap.tab?.("predict");
  }

  async function plots() {
    const rows = (props.value?.rows ?? []).filter((row) => row.status === "ok");
    for (const role of ["histogram", "scatter"]) find(role).hidden = !rows.length;
    if (!rows.length) return;
    const Plotly = await loadPlotly();
    const layout = (x, y) => ({
      autosize: true, height: 290, margin: { l: 8, r: 12, t: 8, b: 8 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: font(), bargap: 0.06,
      xaxis: { ...axis(x), fixedrange: true }, yaxis: { ...axis(y), fixedrange: true, rangemode: "tozero" }, showlegend: false,
    });
    const options = QUIET;
    const gaps = rows.map((row) => row.gap_ev);
    const counted = layout(t("plot.gap"), t("plot.crystals"));
    if (rows.length <= 20) counted.yaxis.dtick = 1;
    await Plotly.react(find("histogram"), [{ type: "histogram", x: gaps, xbins: { start: 0, size: gaps.length > 60 ? 0.25 : 0.5 }, marker: { color: colour("--hs-accent") }, hovertemplate: "%{x} eV: %{y}<extra></extra>" }],
      counted, options);
    const known = rows.filter((row) => row.electronegativity !== null);
    const bars = known.every((row) => row.interval_ev_low !== null)
      ? { type: "data", symmetric: false, array: known.map((row) => row.interval_ev_high - row.gap_ev), arrayminus: known.map((row) => row.gap_ev - row.interval_ev_low), color: colour("--hs-line"), thickness: 1 }
      : undefined;
    const points = {
      mode: "markers", x: known.map((row) => row.electronegativity), y: known.map((row) => row.gap_ev), text: known.map((row) => `${row.formula} · ${row.id}`), error_y: bars,
      marker: { size: 9, color: colour("--hs-accent"), line: { color: colour("--hs-card"), width: 1 } }, hovertemplate: "%{text}<br>%{y:.2f} eV<extra></extra>",
    };
    await Plotly.react(find("scatter"), [points], layout(t("plot.electronegativity"), t("plot.gap")), options);
  }

  // What the filter leaves, in words, for those who do not see the table.
  function say() {
    find("said").textContent = find("filter").value.trim() ? t("batch.shown", { n: table.shownRows }) : "";
  }

  function update() {
    const given = props.value;
    find("all").hidden = !given;
    if (!given) return;
    const good = given.rows.map((row, index) => ({ row, index })).filter(({ row }) => row.status === "ok");
    const told = good.some(({ row }) => row.description_origin !== "none" || row.pbe_gap_ev !== null);
    const columns = COLUMNS.filter((column) => !column.optional || (!column.told || told) && good.some(({ row }) => !empty(row[column.key])))
      .map((column) => ({ ...column, label: t(`batch.column_${column.key}`), title: column.key }));
    const rows = good.map(({ row }) => columns.map((column) => (column.words && !empty(row[column.key]) ? column.words(row[column.key]) : empty(row[column.key]) ? null : row[column.key])));
    const sorted = table?.sorted;
    const before = table && columns.length === table.columns.length ? table.scrolled() : null;
    table = new Table(find("table"), {
      columns, rows, caption: t("batch.caption", { n: rows.length, total: given.total }),
      onChoose: (place) => open(good[place].row, good[place].index),
      matches: (typed) => {
        const meets = filterOf(typed, good.map(({ row }) => row));
        return (place, words) => meets(good[place].row, words);
      },
    });
    if (sorted && sorted.column !== null && sorted.column < columns.length) {
      table.sort(sorted.column);
      if (!sorted.up) table.sort(sorted.column);
    }
    table.search(find("filter").value);
    if (before) table.scroll(before);
    say();
    find("failures").replaceChildren(...failures(given.rows));
        plots();
  }

  find("filter").addEventListener("input", (event) => {
    table?.search(event.target.value);
    say();
  });
  find("csv").addEventListener("click", () => saveText("hsegap-batch.csv", "text/csv", props.value.csv));
  find("json").addEventListener("click", () => saveJson("hsegap-batch.json", { items: props.value.answers }));
  onTheme(() => props.value && plots());
  watch("value", update);
  update();
}
