// "What if": the gap along a strain, computed once by the server and read off with a slider here, and elements swapped.
import { QUIET, axis, colour, font, loadPlotly, onTheme } from "./plot.js";
import { found, t } from "./words.js";

const signed = (number, digits) => `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(digits)}`;
const strained = (percent) => (percent === 0 ? "0" : signed(percent, 1));
const named = (code) => found(`warning.${code}`) ?? code.replaceAll("_", " ");
const range = ([low, high]) => `${low.toFixed(2)} – ${high.toFixed(2)} eV`;

export function mountStrain(element, { props, trigger, watch }) {
  const find = (role) => element.querySelector(`[data-role="${role}"]`);
  const [ask, along, note, result, slider, value, plot, warned] = ["ask", "along", "note", "result", "slider", "value", "plot", "warned"].map(find);
  const [swap, swapNote, swaps] = ["swap", "swap-note", "swaps"].map(find);
  let busy = false;
  let curve = null;
  let asked = 0;

  const between = (percent, values) => {
    const at = curve.percent;
    const right = Math.max(1, at.findIndex((place) => place >= percent));
    const share = (percent - at[right - 1]) / (at[right] - at[right - 1]);
    return values[right - 1] + share * (values[right] - values[right - 1]);
  };
  const ends = (side) => curve.interval_ev.map((interval) => interval[side]);
  const codes = (place) => curve.warnings[place].map((warning) => warning.code);

  function say() {
    const percent = Number(slider.value);
    const gap = between(percent, curve.gap_ev);
    const interval = curve.banded ? range([0, 1].map((side) => between(percent, ends(side)))) : "";
    const change = signed(gap - between(0, curve.gap_ev), 2);
    value.textContent = t(interval ? "strain.said_interval" : "strain.said", { strain: strained(percent), gap: gap.toFixed(2), change, interval });
    return [percent, gap];
  }

  // Which warnings apply where, in words: a mark in a plot says neither to everybody.
  function warn() {
    const places = new Map();
    curve.percent.forEach((percent, place) => codes(place).forEach((code) => places.set(code, [...(places.get(code) ?? []), percent])));
    warned.replaceChildren(...[...places].map(([code, at]) => {
      const item = document.createElement("li");
      item.dataset.code = code;
      const where = at.length === curve.percent.length ? t("strain.everywhere") : `${at.map(strained).join(", ")} %`;
      item.textContent = t("list.named", { name: named(code), words: where });
      return item;
    }));
    warned.hidden = !places.size;
  }

  function traces(percent, gap) {
    const { percent: x, gap_ev: y, pbe_gap_estimate_ev: pbe, warnings } = curve;
    const odd = x.flatMap((_, place) => (warnings[place].length ? [place] : []));
    const edge = { mode: "lines", line: { width: 0 }, hoverinfo: "skip" };
    const band = curve.banded ? [
      { x, y: ends(0), ...edge, showlegend: false },
      { x, y: ends(1), ...edge, name: t("strain.band"), fill: "tonexty", fillcolor: faint(colour("--hs-accent")) },
    ] : [];
    return [
      ...band,
      { x, y, name: t("strain.gap"), mode: "lines+markers", line: { color: colour("--hs-accent"), width: 2 }, hovertemplate: "%{x:+.1f} %: %{y:.2f} eV<extra></extra>" },
      ...(pbe.every((one) => one !== null) ? [{ x, y: pbe, name: t("strain.pbe"), mode: "lines", line: { color: colour("--hs-muted"), width: 2, dash: "dash" }, hovertemplate: "PBE %{x:+.1f} %: %{y:.2f} eV<extra></extra>" }] : []),
      ...(odd.length ? [{ x: odd.map((place) => x[place]), y: odd.map((place) => y[place]), name: t("strain.warned"), mode: "markers", marker: { size: 13, symbol: "triangle-up", color: colour("--hs-care") }, text: odd.map((place) => codes(place).map(named).join("<br>")), hovertemplate: "%{x:+.1f} %: %{y:.2f} eV<br>%{text}<extra></extra>" }] : []),
      { x: [percent], y: [gap], mode: "markers", marker: { size: 14, color: colour("--hs-text") }, hoverinfo: "skip", showlegend: false },
    ];
  }

  async function draw() {
    result.hidden = !curve;
    if (!curve) return;
    const [percent, gap] = say();
    const Plotly = await loadPlotly();
    if (!curve) return;
    // A flat curve stays flat: the axis spans a quarter of an electronvolt at least.
    const all = [...curve.gap_ev, ...(curve.banded ? curve.interval_ev.flat() : []), ...curve.pbe_gap_estimate_ev.filter((one) => one !== null)];
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const margin = Math.max(0.1 * (high - low), (0.25 - (high - low)) / 2);
    const layout = {
      autosize: true, height: 300, margin: { l: 8, r: 12, t: 8, b: 8 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: font(),
      showlegend: true, legend: { orientation: "h", traceorder: "normal", y: 1.02, yanchor: "bottom", x: 0 },
      xaxis: { ...axis(t(`strain.axis_${curve.along}`)), fixedrange: true }, yaxis: { ...axis(t("plot.gap")), fixedrange: true, range: [low - margin, high + margin] },
    };
    const spoken = curve.percent.map((at, place) => {
      const interval = curve.banded ? ` (${range(curve.interval_ev[place])})` : "";
      return `${strained(at)} %: ${curve.gap_ev[place].toFixed(2)} eV${interval}${codes(place).map((code) => `, ${named(code)}`).join("")}`;
    });
    plot.setAttribute("aria-label", t("list.named", { name: t("strain.plot"), words: spoken.join(t("list.separator")) }));
    await Plotly.react(plot, traces(percent, gap), layout, QUIET);
  }

  const failed = (place, error) => {
    place.hidden = !error;
    place.textContent = error ? `${error.message} ${error.hint}` : "";
  };

  function update() {
    const given = props.value;
    if (given?.asked) return; // what this part itself has just put there
    busy = false;
    for (const button of [ask, swap, along]) button.disabled = false;
    if (given?.kind === "swaps") {
      failed(swapNote, given.error);
      swaps.innerHTML = given.html ?? ""; // made and escaped by the server
      return;
    }
    failed(note, given?.error);
    curve = given?.percent ? { ...given, banded: given.interval_ev.every(Boolean) } : null;
    slider.value = 0;
    if (!given) {
      swaps.replaceChildren();
      swapNote.hidden = true;
    }
    if (curve) warn();
    draw();
  }

  const start = (event, place, words) => () => {
    if (busy) return;
    busy = true;
    for (const button of [ask, swap, along]) button.disabled = true;
    place.hidden = false;
    place.textContent = t(words);
    props.value = { asked: (asked += 1), along: along.value };
    trigger(event);
  };
  ask.addEventListener("click", start("ask", note, "strain.busy"));
  along.addEventListener("change", () => curve && ask.click());
  swap.addEventListener("click", start("swap", swapNote, "swap.busy"));
  slider.addEventListener("input", draw);
  onTheme(draw);
  watch("value", update);
  // Offered as soon as there is an answer to compare with, taken back with it.
  window.addEventListener("hsegap-answer", (event) => {
    find("all").hidden = !event.detail?.prediction;
    if (plot.data && plot.offsetWidth) window.Plotly.Plots.resize(plot);
  });
  update();
}

// A fifth of a colour of the page's, as Plotly wants it.
function faint(hex) {
  const [red, green, blue] = [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
  return `rgba(${red},${green},${blue},0.2)`;
}
