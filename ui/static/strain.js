// "What if": the gap along a strain, computed once by the server, read off with a slider here.
import { QUIET, axis, colour, font, loadPlotly, onTheme } from "./plot.js";
import { t } from "./words.js";

export function mountStrain(element, { props, trigger, watch }) {
  const find = (role) => element.querySelector(`[data-role="${role}"]`);
  const [ask, note, result, slider, value, plot] = ["ask", "note", "result", "slider", "value", "plot"].map(find);
  let busy = false;

  const between = (percent) => {
    const { percent: at, gap_ev: gaps } = props.value;
    const right = Math.max(1, at.findIndex((place) => place >= percent));
    const share = (percent - at[right - 1]) / (at[right] - at[right - 1]);
    return gaps[right - 1] + share * (gaps[right] - gaps[right - 1]);
  };

  const signed = (number, digits) => `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(digits)}`;

  function say() {
    const percent = Number(slider.value);
    const gap = between(percent);
    value.textContent = `${percent === 0 ? "0" : signed(percent, 1)} %: ${gap.toFixed(2)} eV (${signed(gap - between(0), 2)} eV)`;
    return [percent, gap];
  }

  async function draw() {
    const known = props.value?.gap_ev;
    result.hidden = !known;
    if (!known) return;
    const [percent, gap] = say();
    const Plotly = await loadPlotly();
    // A flat curve stays flat: the axis spans a quarter of an electronvolt at least.
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const margin = Math.max(0.1 * (high - low), (0.25 - (high - low)) / 2);
    const data = [
      { x: props.value.percent, y: known, mode: "lines+markers", line: { color: colour("--hs-accent"), width: 2 }, hovertemplate: "%{x:+.1f} %: %{y:.2f} eV<extra></extra>" },
      { x: [percent], y: [gap], mode: "markers", marker: { size: 14, color: colour("--hs-text") }, hoverinfo: "skip" },
    ];
    const layout = {
      autosize: true, height: 260, margin: { l: 8, r: 12, t: 8, b: 8 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: font(), showlegend: false,
      xaxis: { ...axis(t("strain.axis")), fixedrange: true }, yaxis: { ...axis(t("plot.gap")), fixedrange: true, range: [low - margin, high + margin] },
    };
    plot.setAttribute("aria-label", `${t("strain.plot")}: ${props.value.percent.map((at, place) => `${at} %: ${known[place].toFixed(2)} eV`).join(", ")}`);
    await Plotly.react(plot, data, layout, QUIET);
  }

  function update() {
    const given = props.value;
    busy = false;
    ask.disabled = false;
    note.hidden = !given?.error;
    note.textContent = given?.error ? `${given.error.message} ${given.error.hint}` : "";
    slider.value = 0;
    draw();
  }

  ask.addEventListener("click", () => {
    if (busy) return;
    busy = true;
    ask.disabled = true;
    note.hidden = false;
    note.textContent = t("strain.busy");
    trigger("ask");
  });
  slider.addEventListener("input", draw);
  onTheme(draw);
  watch("value", update);
  // Offered as soon as there is an answer to compare with, taken back with it.
  window.addEventListener("hsegap-answer", (event) => {
    find("all").hidden = !event.detail;
    if (plot.data && plot.offsetWidth) window.Plotly.Plots.resize(plot);
  });
  update();
}
