// Where a crystal comes from: an example, a dropped file, a chosen file. Files are read here and travel as text; none is uploaded.
import { inputs } from "./gate.js";
import { t } from "./words.js";

const LARGEST = 2_000_000;

function subscripted(label) {
  const made = document.createDocumentFragment();
  for (const piece of label.split(/(?<=[A-Za-z)])(\d+)/)) {
    const node = /^\d+$/.test(piece) ? document.createElement("sub") : document.createTextNode("");
    node.textContent = piece;
    made.append(node);
  }
  return made;
}

export function mountSource(element, { props, trigger }) {
  const find = (role) => element.querySelector(`[data-role="${role}"]`);
  const [chips, drop, file, said] = ["chips", "drop", "file", "said"].map(find);
  const examples = props.examples ?? [];
  let picks = 0;
  let taken = 0;
  let loaded = null; // {name, structure}: what the drop zone speaks of
  let refused = "";

  // The example chip and the drop zone name what stands in the field, and nothing else.
  function tell() {
    const { structure } = inputs.now();
    const example = examples.find((entry) => entry.structure === structure);
    for (const chip of chips.children) chip.setAttribute("aria-pressed", String(chip.dataset.name === example?.name));
    drop.classList.toggle("hs-refused", Boolean(refused));
    const same = loaded && loaded.structure === structure;
    drop.classList.toggle("hs-loaded", Boolean(same) && !example);
    said.textContent = [
      refused,
      !structure.trim() ? t("source.kinds")
        : example ? t("source.example", { name: example.name })
          : same ? t("source.loaded", { name: loaded.name }) : loaded ? t("source.edited", { name: loaded.name }) : t("source.pasted"),
    ].filter(Boolean).join(" ");
  }

  // Fill the fields, and predict unless only what was there before is put back.
  function put(entry, { predict = true } = {}) {
    loaded = { name: entry.name ?? t("source.shared"), structure: entry.structure };
    refused = "";
    // The counter makes picking the same crystal again a change.
    props.value = {
      structure: entry.structure, format: entry.format ?? "auto", description: entry.description ?? "", known: props.gap ? String(entry.known ?? "") : "",
      pick: (picks += 1),
    };
    trigger(predict ? "pick" : "fill");
    tell();
  }
  window.hsegap.put = put;
  window.hsegap.examples = examples;

  for (const entry of examples) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "hs-chip";
    chip.dataset.name = entry.name;
    chip.setAttribute("aria-pressed", "false");
    chip.append(subscripted(entry.label));
    chip.addEventListener("click", () => put(entry));
    chips.append(chip);
  }
  chips.hidden = !chips.children.length;

  async function take(given) {
    if (!given) return;
    const turn = (taken += 1);
    if (given.size > LARGEST) {
      refused = t("source.refused", { name: given.name, size: (given.size / 1e6).toFixed(1) });
      tell();
      return;
    }
    // What is no text becomes replacement characters here and a named error there.
    const text = new TextDecoder("utf-8").decode(await given.arrayBuffer());
    if (turn === taken) put({ name: given.name, structure: text });
  }

  file.addEventListener("change", () => {
    take(file.files[0]);
    file.value = "";
  });
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("hs-over");
    });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("hs-over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
  window.addEventListener("hsegap-fields", () => {
    if (loaded && inputs.now().structure !== loaded.structure) refused = "";
    tell();
  });
  window.dispatchEvent(new Event("hsegap-source"));
}
