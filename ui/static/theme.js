// Light or dark: the system's choice until the visitor makes another one, which stays in this browser.
const KEY = "hsegap-theme";

function isDark() {
  return document.body.classList.contains("dark");
}

function show(dark) {
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
  system.addEventListener("change", (event) => {
    if (!stored && !asked) show(event.matches);
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-hs-theme]")) return;
    show(!isDark());
    try {
      stored = isDark() ? "dark" : "light";
      window.localStorage.setItem(KEY, stored);
    } catch {
      // As above.
    }
  });
}
