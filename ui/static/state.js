// What the page shows stands in the address, behind its "#", which no browser sends to a server: back, forward, refresh and a shared link bring it back.
import { inputs } from "./gate.js";

const TABS = ["predict", "batch", "model"];
// Longest input in an address; a larger one is kept by this browser tab until it is closed.
const LONGEST = 6000;
const LARGEST = 4_000_000;
const STORED = "hsegap-input-";
// After the last key is pressed, before a draft is kept, ms.
const PAUSE = 400;
const SETTLED = 60;
const state = { tab: "predict", map: null, name: null, turn: 0, pending: null };

async function through(stream, bytes, most) {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    size += value.length;
    if (size > most) throw new Error("too large");
    parts.push(value);
  }
}

async function packed(text) {
  const bytes = await through(new CompressionStream("deflate-raw"), new TextEncoder().encode(text), LARGEST);
  let letters = "";
  for (let start = 0; start < bytes.length; start += 8192) letters += String.fromCharCode(...bytes.subarray(start, start + 8192));
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

async function unpacked(code) {
  const letters = atob(code.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  return new TextDecoder().decode(await through(new DecompressionStream("deflate-raw"), bytes, LARGEST));
}

const exampleOf = (now) => (window.hsegap.examples ?? []).find((entry) => entry.structure === now.structure
  && entry.description === now.description && now.format === "auto" && now.known === null);

// The part of the address that holds the input: an example's name, the input itself, or where this browser keeps it.
async function inputPart(now, { shared = false } = {}) {
  if (!now.structure && !now.description) return [];
  const example = exampleOf(now);
  if (example) return [["example", example.name]];
  const text = JSON.stringify([now.structure, now.description, now.format, now.known]);
  const code = await packed(text);
  if (code.length <= LONGEST) return [["s", code]];
  if (shared) return null;
  // One entry an input: its size and end tell it from the others of this session.
  const key = `${text.length}-${code.slice(-24)}`;
  try {
    window.sessionStorage.setItem(STORED + key, code);
  } catch {
    return []; // no room, or storage is forbidden: then the address holds the tab alone
  }
  return [["k", key]];
}

const read = () => new URLSearchParams(window.location.hash.slice(1));
const sameInput = (one, other) => ["example", "s", "k"].every((name) => one.get(name) === other.get(name));

async function address(options) {
  const now = inputs.now();
  const part = await inputPart(now, options);
  if (part === null) return null;
  const made = new URLSearchParams(part);
  const there = read();
  if (part.length && (inputs.answered() || options?.shared || there.has("a") && sameInput(made, there))) made.set("a", "1");
  if (state.tab !== "predict" && !options?.shared) made.set("tab", state.tab);
  if (state.map) made.set("map", state.map);
  return made;
}

// An answered input and a tab each have an entry of the history; drafts and maps change the entry they stand in.
async function keep({ push = false } = {}) {
  clearTimeout(state.pending);
  const turn = (state.turn += 1);
  const made = await address();
  if (turn !== state.turn) return;
  const there = read();
  if (made.toString() === there.toString()) return;
  const leaving = there.has("a") && !sameInput(made, there);
  const target = made.size ? `#${made}` : window.location.pathname + window.location.search;
  window.history[push || leaving ? "pushState" : "replaceState"](null, "", target);
}

function showTab(name) {
  const buttons = [...document.querySelectorAll("#hs-tabs [role=tab]")].filter((button) => button.offsetParent);
  const button = buttons[TABS.indexOf(name)];
  if (button && button.getAttribute("aria-selected") !== "true") button.click();
  state.tab = name;
}

async function inputOf(there) {
  const example = (window.hsegap.examples ?? []).find((entry) => entry.name === there.get("example"));
  if (example) return example;
  const code = there.get("s") ?? window.sessionStorage.getItem(STORED + there.get("k"));
  if (!code) return null;
  const [structure, description, format, known] = JSON.parse(await unpacked(code));
  return {
    structure: String(structure), description: String(description ?? ""), format: typeof format === "string" ? format : "auto",
    known: typeof known === "number" ? known : null,
  };
}

async function restore() {
  const there = read();
  clearTimeout(state.pending);
  state.turn += 1;
  if (TABS.includes(there.get("tab") ?? "predict")) showTab(there.get("tab") ?? "predict");
  state.map = there.get("map");
  window.hsegap.wantedMap = state.map; // for a picture that is not there yet
  if (state.map) window.dispatchEvent(new CustomEvent("hsegap-want-map", { detail: state.map }));
  try {
    const input = await inputOf(there);
    const now = inputs.now();
    const same = input && input.structure === now.structure && input.description === now.description && (input.known ?? null) === now.known;
    if (input && !(same && (inputs.answered() || !there.has("a")))) window.hsegap.put(input, { predict: there.has("a") });
  } catch (error) {
    console.info("the address holds no input that can be read", error);
  }
}

export function startState() {
  // Going back breaks off what is being fetched at that moment: what is asked next is asked a moment later.
  window.addEventListener("popstate", () => setTimeout(restore, SETTLED));
  window.addEventListener("hsegap-shown", () => keep());
  window.addEventListener("hsegap-fields", () => {
    clearTimeout(state.pending);
    state.pending = setTimeout(keep, PAUSE);
  });
  window.addEventListener("hsegap-map", (event) => {
    state.map = event.detail;
    keep();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("#hs-tabs [role=tab]");
    if (!button || !event.isTrusted) return;
    const place = [...document.querySelectorAll("#hs-tabs [role=tab]")].filter((one) => one.offsetParent).indexOf(button);
    if (place < 0) return;
    state.tab = TABS[place];
    keep({ push: true });
  });
  window.hsegap.keep = keep;
  window.hsegap.link = async () => {
    const made = await address({ shared: true });
    return made && `${window.location.origin}${window.location.pathname}#${made}`;
  };
  window.hsegap.tab = (name) => {
    showTab(name);
    keep({ push: true });
  };
  if (window.hsegap.put) restore();
  else window.addEventListener("hsegap-source", restore, { once: true });
}
