// What Gradio's own parts lack for those who have no mouse or do not see the page; it makes them anew at every change.
import { t } from "./words.js";

function reachTables() {
  // Tables of the model card scroll sideways on a phone: the tab key reaches them, the arrows scroll.
  for (const table of document.querySelectorAll("#hs-model-card table:not([tabindex])")) table.tabIndex = 0;
}

// The button that takes more files is a button inside a button, under the name of a key that has no words.
function nameUpload() {
  for (const inner of document.querySelectorAll("#hs-batch-files .icon-button button.upload-container:not([data-hs-named])")) {
    inner.dataset.hsNamed = "";
    inner.inert = true;
    const outer = inner.closest(".icon-button");
    for (const name of ["title", "aria-label"]) outer.setAttribute(name, t("batch.more"));
    outer.addEventListener("click", (event) => event.target.closest("button") === outer && inner.click());
  }
}

export function startCard() {
  const repair = () => {
    reachTables();
    nameUpload();
  };
  new MutationObserver(repair).observe(document.body, { childList: true, subtree: true });
  repair();
}
