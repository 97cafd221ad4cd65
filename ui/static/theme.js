// Light or dark: the system's choice until the visitor makes another one, which stays in this browser.
const KEY = "hsegap-theme";

let dark = false;

function show(wanted) {
  dark = wanted;
  document.body.classList.toggle("dark", dark);
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
  window.dispatchEvent(new Event("hsegap-theme"));
}

export function startTheme() {
  let stored = null;
  try {
    stored = window.localStorage.getItem(KEY);
  } catch {
    // A browser that forbids storage still gets its system's choice.
  }
  const asked = new URLSearchParams(window.location.search).get("__theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  show(asked ? asked === "dark" : stored ? stored === "dark" : system.matches);
  // Gradio follows the system whenever it starts or the system changes; the visitor's own choice wins.
  new MutationObserver(() => document.body.classList.contains("dark") !== dark && show(dark)).observe(document.body, {
    attributes: true, attributeFilter: ["class"],
  });
  system.addEventListener("change", (event) => {
    if (!stored && !asked) show(event.matches);
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-hs-theme]")) return;
    show(!dark);
    try {
      stored = dark ? "dark" : "light";
      window.localStorage.setItem(KEY, stored);
    } catch {
      // As above.
    }
  });
}
