// Plotly, served by us and loaded once, and the colours that plots take from the page.
let loading = null;

export function loadPlotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("plotly.min.js", import.meta.url).href;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      loading = null;
      reject(new Error("the plotting library did not load"));
    };
    document.head.appendChild(script);
  });
  return loading;
}

// No menu of the library's own: it offers to send the data elsewhere, and what it has of use the page has itself.
export const QUIET = {
  displayModeBar: false, displaylogo: false, responsive: true, showSendToCloud: false, showEditInChartStudio: false, plotlyServerURL: "", showLink: false,
};

// Viridis: perceptually uniform and readable with every common kind of colour blindness.
export const VIRIDIS = [
  [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141],
  [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37],
];
export const PLOTLY_VIRIDIS = VIRIDIS.map((rgb, place) => [place / (VIRIDIS.length - 1), `rgb(${rgb.join(",")})`]);

function mixed(scale, share) {
  const at = Math.min(Math.max(share, 0), 1) * (scale.length - 1);
  const left = Math.min(Math.floor(at), scale.length - 2);
  const rgb = scale[left].map((value, channel) => Math.round(value + (at - left) * (scale[left + 1][channel] - value)));
  return `rgb(${rgb.join(",")})`;
}

// Blue for what lowers the gap, red for what raises it, grey for nothing: told apart with every common kind of colour blindness.
export const DIVERGING = [[33, 102, 172], [146, 183, 214], [226, 226, 226], [223, 146, 130], [178, 24, 43]];
export const PLOTLY_DIVERGING = DIVERGING.map((rgb, place) => [place / (DIVERGING.length - 1), `rgb(${rgb.join(",")})`]);

export function viridis(share) {
  return mixed(VIRIDIS, share);
}

export function diverging(share) {
  return mixed(DIVERGING, share);
}

export function colour(name) {
  return getComputedStyle(document.body).getPropertyValue(name).trim();
}

export function font() {
  return { color: colour("--hs-text"), family: getComputedStyle(document.querySelector(".gradio-container") ?? document.body).fontFamily, size: 13 };
}

export function axis(title) {
  return {
    title: { text: title, font: { size: 13 } }, color: colour("--hs-muted"), gridcolor: colour("--hs-line"), zerolinecolor: colour("--hs-line"),
    linecolor: colour("--hs-line"), automargin: true,
  };
}

// Redraw when the visitor changes between light and dark.
export function onTheme(redraw) {
  window.addEventListener("hsegap-theme", redraw);
}
