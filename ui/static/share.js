import { t } from "./words.js";

// Taking the answer along: files are made here from what the browser has, so nothing is written on the server.
export function saveText(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function serviceAddress() {
  // The page stands under /ui of the server that answers /predict.
  const path = new URL(window.gradio_config?.root || window.location.href, window.location.href).pathname.replace(/\/$/, "");
  return window.location.origin + path.replace(/\/ui$/, "");
}

function asCurl(request) {
  const body = JSON.stringify(request).replaceAll("'", "'\\''");
  return `curl -s ${serviceAddress()}/predict -H 'Content-Type: application/json' -d '${body}'\n`;
}

function asPython(request) {
  const text = (value) => (value === null ? "None" : value === true ? "True" : value === false ? "False" : JSON.stringify(value));
  const fields = Object.entries(request).map(([name, value]) => `    ${JSON.stringify(name)}: ${text(value)},`);
  return [
    "import json",
    "from urllib.request import Request, urlopen",
    "",
    "request = {",
    ...fields,
    "}",
    "headers = {\"Content-Type\": \"application/json\"}",
    `with urlopen(Request("${serviceAddress()}/predict", json.dumps(request).encode(), headers)) as answer:`,
    "    print(json.load(answer)[\"gap_ev\"], \"eV\")",
    "",
  ].join("\n");
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without HTTPS some browsers have no clipboard: the old way still works there.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

export function saveJson(name, value) {
  saveText(name, "application/json", `${JSON.stringify(value, null, 2)}\n`);
}

function tell(said, done) {
  said.textContent = t(done ? "share.copied" : "share.not_copied");
  setTimeout(() => (said.textContent = ""), 4000);
}

export function startSharing() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-hs-link]");
    if (link) link.href = `${serviceAddress()}/${link.dataset.hsLink}`;
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-hs-share]");
    const result = window.hsegap.result;
    if (!button || !result) return;
    const said = button.parentElement.querySelector(".hs-said");
    const name = result.scene.formula;
    const what = button.dataset.hsShare;
    if (what === "json") saveJson(`${name}.json`, result.prediction);
    if (what === "csv") saveText(`${name}-atoms.csv`, "text/csv", result.csv);
    if (what === "cif") saveText(`${name}-maps.cif`, "chemical/x-cif", result.cif);
    if (what === "png") {
      const picture = document.querySelector("#hs-maps [data-role=picture]");
      const image = await window.Plotly.toImage(picture, { format: "png", width: 1200, height: 900, scale: 2 });
      const bytes = Uint8Array.from(atob(image.split(",")[1]), (letter) => letter.charCodeAt(0));
      saveText(`${name}.png`, "image/png", new Blob([bytes], { type: "image/png" }));
    }
    if (what === "curl" || what === "python") {
      const done = await copy(what === "curl" ? asCurl(result.request) : asPython(result.request));
      tell(said, done);
    }
    if (what === "link") {
      const address = await window.hsegap.link?.();
      if (address) tell(said, await copy(address));
      else said.textContent = t("share.too_large");
    }
  });
}
