// The page's front end: finds the part that Gradio has just made and brings it to life. No framework, no foreign host.
import { mountCrystal } from "./crystal.js";
import { mountSource } from "./source.js";
import { mountStrain } from "./strain.js";
import { mountWeighed } from "./weighed.js";
import { mountBatch } from "./batch.js";
import { fieldsChanged, mountGate } from "./gate.js";
import { startCard } from "./card.js";
import { startSharing } from "./share.js";
import { startState } from "./state.js";
import { startTheme } from "./theme.js";
import { startLanguage } from "./words.js";
import { loadPlotly } from "./plot.js";

const parts = { source: mountSource, gate: mountGate, crystal: mountCrystal, weighed: mountWeighed, strain: mountStrain, batch: mountBatch };

window.hsegap = {
  mount(name, element, props, trigger, watch, events) {
    parts[name](element, { props, trigger, watch, events });
  },
  fields: fieldsChanged,
};
startTheme();
startLanguage();
startSharing();
startCard();
startState();
window.dispatchEvent(new Event("hsegap-ready"));
// Half of the first answer's time would be this library; it comes while the visitor is choosing a crystal.
(window.requestIdleCallback ?? ((f) => setTimeout(f, 300)))(() => loadPlotly());
