// Tables of the model card scroll sideways on a phone: who has no mouse reaches them with the tab key and scrolls with the arrows.
export function startCard() {
  const reach = () => {
    for (const table of document.querySelectorAll("#hs-model-card table:not([tabindex])")) table.tabIndex = 0;
  };
  new MutationObserver(reach).observe(document.body, { childList: true, subtree: true });
  reach();
}
