// What stands in the fields, what the shown answer belongs to, and the gate that drops answers which come too late.
import { t } from "./words.js";

const FIELDS = ["structure", "format", "description", "known"];
const EMPTY = ["", "auto", "", ""];
const state = { now: EMPTY, asked: null, describes: null };

// Gradio gives an empty field as null at first and as "" later.
const alike = (one, other) => (one ?? "") === (other ?? "");
const same = (one, other) => one.every((value, place) => alike(value, other[place]));

export const inputs = {
  // The fields by name.
  now: () => Object.fromEntries(FIELDS.map((name, place) => [name, state.now[place] ?? EMPTY[place]])),
  // Whether the shown answer is that of the fields.
  answered: () => state.asked !== null && same(state.asked, state.now),
};

function say(name) {
  window.dispatchEvent(new CustomEvent(name, { detail: inputs.now() }));
}

function mark() {
  const column = document.querySelector(".hs-output");
  const note = document.querySelector("#hs-gate [data-role=note]");
  const stale = state.asked !== null && !same(state.asked, state.now);
  column?.classList.toggle("hs-stale", stale);
  if (note) note.hidden = !stale;
  const text = document.querySelector("#hs-description");
  const odd = Boolean(state.now[2]) && state.describes !== null && !alike(state.describes, state.now[0]);
  if (!text || text.classList.contains("hs-stale-text") === odd) return;
  text.classList.toggle("hs-stale-text", odd);
  text.querySelector(".hs-odd")?.remove();
  if (!odd) return;
  const words = document.createElement("p");
  words.className = "hs-odd";
  words.setAttribute("role", "status");
  words.textContent = t("stale.description");
  text.append(words);
}

// Gradio tells of every change of a field, whoever made it.
export function fieldsChanged(now) {
  // Whoever writes a text writes it for the structure that stands there.
  if (!alike(now[2], state.now[2])) [state.describes] = now;
  const changed = !same(now, state.now);
  state.now = now;
  mark();
  if (changed) say("hsegap-fields");
}

export function mountGate(element, { props, trigger, watch }) {
  element.querySelector("[data-role=again]").addEventListener("click", () => document.querySelector("#hs-predict")?.click());
  let latest = -Infinity;
  watch("value", () => {
    const answer = props.value;
    if (!answer) return;
    if (!answer.asked.every((value, place) => alike(value, state.now[place]))) {
      console.info(`an answer to a former input was dropped (${answer.kind})`);
      return;
    }
    if (answer.kind === "described") {
      trigger("described");
      return;
    }
    if (answer.moment < latest) return; // of two answers to the same fields the later one stays
    latest = answer.moment;
    state.asked = answer.payload ? answer.asked : null;
    trigger("answer");
    mark();
    say("hsegap-shown");
  });
}
