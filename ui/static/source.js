// Where a crystal comes from: an example, a dropped file, a chosen file. Files are read here and travel as text; none is uploaded.
const LARGEST = 2_000_000;
const FORMATS = { cif: "cif", mcif: "cif", vasp: "poscar", poscar: "poscar", contcar: "poscar", xyz: "xyz", extxyz: "xyz" };

function formatOf(name) {
  if (/^(POSCAR|CONTCAR)/.test(name)) return "poscar";
  return FORMATS[name.split(".").pop().toLowerCase()] ?? "auto";
}

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
  let picks = 0;

  function pick(entry) {
    for (const chip of chips.children) chip.setAttribute("aria-pressed", String(chip.dataset.name === entry.name));
    // The counter makes picking the same crystal again a change.
    props.value = { structure: entry.structure, format: entry.format ?? "auto", description: entry.description ?? "", pick: (picks += 1) };
    trigger("pick");
  }

  for (const entry of props.examples ?? []) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "hs-chip";
    chip.dataset.name = entry.name;
    chip.setAttribute("aria-pressed", "false");
    chip.append(subscripted(entry.label));
    chip.addEventListener("click", () => pick({ ...entry, format: "cif" }));
    chips.append(chip);
  }
  chips.hidden = !chips.children.length;

  async function take(given) {
    if (!given) return;
    if (given.size > LARGEST) {
      said.textContent = `${given.name} has ${(given.size / 1e6).toFixed(1)} MB; at most 2 MB are read. Send the primitive cell.`;
      drop.classList.add("hs-refused");
      return;
    }
    drop.classList.remove("hs-refused");
    said.textContent = given.name;
    // What is no text becomes replacement characters here and a named error there.
    const text = new TextDecoder("utf-8").decode(await given.arrayBuffer());
    pick({ name: given.name, structure: text, format: formatOf(given.name) });
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
}
