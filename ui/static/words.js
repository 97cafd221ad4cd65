// The words of the visitor's language, which the page brings along; keys are those of ui/catalogue/.
export function t(key, values = {}) {
  const words = window.hsegap_words?.[key];
  if (words === undefined) {
    console.error(`there are no words for ${key}`);
    return key;
  }
  return words.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// Words that need not be there, such as those of a warning's code.
export const found = (key) => window.hsegap_words?.[key];

// The switch: the choice stays in a cookie, so that the server writes in this language too; what was put in is kept by the address.
export function startLanguage() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-hs-language]");
    if (!button) return;
    const secure = window.location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `hsegap_language=${button.dataset.hsLanguage}; Path=/; Max-Age=31536000; SameSite=Strict${secure}`;
    await window.hsegap.keep?.();
    window.location.reload();
  });
}
