// The text with each sentence shaded by its effect, asked for with a button: the server leaves out one after the other.
import { t } from "./words.js";

export function mountWeighed(element, { props, trigger, watch }) {
  const find = (role) => element.querySelector(`[data-role="${role}"]`);
  const [ask, note, result] = ["ask", "note", "result"].map(find);

  function update() {
    const given = props.value;
    ask.disabled = false;
    note.hidden = !given?.error;
    note.textContent = given?.error ? `${given.error.message} ${given.error.hint}` : "";
    result.innerHTML = given?.html ?? ""; // made and escaped by the server
  }

  ask.addEventListener("click", () => {
    ask.disabled = true;
    note.hidden = false;
    note.textContent = t("weighed.busy");
    trigger("ask");
  });
  watch("value", update);
  // Offered with an answer to a text, taken back with it.
  window.addEventListener("hsegap-answer", (event) => {
    find("all").hidden = !event.detail?.prediction?.description.text;
  });
  update();
}
