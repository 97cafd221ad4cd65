// What is typed above the results: ">3", "O & <2", "warned", "GaAs": terms joined by "&", each of which a row must meet.
import { found } from "./words.js";

const COMPARED = /^(<=|>=|<|>|=)\s*(\d+(?:[.,]\d+)?)$/;
const COMPARE = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "=": (a, b) => Math.abs(a - b) < 0.005 };
const ELEMENT = /^[A-Z][a-z]?$/;
const KINDS = ["metal", "semiconductor", "insulator", "unsure"];

const elementsOf = (formula) => new Set(String(formula ?? "").match(/[A-Z][a-z]?/g));

// Whether a word stands for one of the page's own, in English or the visitor's language.
const means = (typed, name, key) => typed.toLowerCase() === name || typed.toLowerCase() === found(key)?.toLowerCase();

// A function of a row ({gap_ev, formula, kind, warnings, …}) and the words it shows; rows are all those there are.
export function filterOf(typed, rows) {
  const elements = new Set(rows.flatMap((row) => [...elementsOf(row.formula)]));
  const terms = typed.split("&").map((term) => term.trim()).filter(Boolean).map((term) => {
    const number = COMPARED.exec(term);
    if (number) {
      const [, how, value] = number;
      return (row) => COMPARE[how](row.gap_ev, Number(value.replace(",", ".")));
    }
    if (ELEMENT.test(term) && elements.has(term)) return (row) => elementsOf(row.formula).has(term);
    if (means(term, "warned", "batch.warned")) return (row) => row.warnings.length > 0;
    const kind = KINDS.find((name) => means(term, name, `kind.${name}`));
    if (kind) return (row) => row.kind === kind;
    return (row, words) => words.toLowerCase().includes(term.toLowerCase());
  });
  return (row, words) => terms.every((meets) => meets(row, words));
}
