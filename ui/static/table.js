// A table that sorts: real buttons in real header cells, so that keyboard and screen reader work as with the mouse.
function compare(left, right, numeric) {
  if (left === null || left === undefined) return 1;
  if (right === null || right === undefined) return -1;
  return numeric ? left - right : String(left).localeCompare(String(right), undefined, { numeric: true });
}

export function shown(value, column) {
  if (value === null || value === undefined) return "–";
  return column.numeric && typeof value === "number" ? value.toFixed(column.digits ?? 2) : String(value);
}

// columns: [{label, numeric, digits, title}], rows: arrays. Options: caption, onPoint(row or null), onChoose(row), cell(td, value, column, row), matches(typed): what tells of (row, words) whether it is shown.
export class Table {
  constructor(container, { columns, rows, caption, onPoint, onChoose, cell, matches }) {
    Object.assign(this, { container, columns, rows, onPoint, onChoose, cell, matches });
    this.order = rows.map((_, place) => place);
    this.sorted = { column: null, up: true };
    this.filter = "";
    this.table = document.createElement("table");
    this.table.className = "hs-table";
    const title = this.table.createCaption();
    title.textContent = caption;
    this.head = this.table.createTHead().insertRow();
    this.body = this.table.createTBody();
    columns.forEach((column, place) => {
      const header = document.createElement("th");
      header.scope = "col";
      header.setAttribute("aria-sort", "none");
      if (column.numeric) header.className = "hs-number";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = column.label;
      if (column.title) button.title = column.title;
      button.addEventListener("click", () => this.sort(place));
      header.append(button);
      this.head.append(header);
    });
    const scroller = document.createElement("div");
    scroller.className = "hs-scroller";
    scroller.tabIndex = 0;
    scroller.setAttribute("role", "region");
    scroller.setAttribute("aria-label", caption);
    scroller.append(this.table);
    container.replaceChildren(scroller);
    this.draw();
  }

  sort(place) {
    const up = this.sorted.column === place ? !this.sorted.up : true;
    this.sorted = { column: place, up };
    const numeric = this.columns[place].numeric;
    this.order.sort((left, right) => {
      const difference = compare(this.rows[left][place], this.rows[right][place], numeric);
      return (up ? difference : -difference) || left - right;
    });
    [...this.head.children].forEach((header, index) => {
      header.setAttribute("aria-sort", index === place ? (up ? "ascending" : "descending") : "none");
    });
    this.draw();
  }

  search(words) {
    this.filter = words.trim();
    this.draw();
  }

  scrolled() {
    const { scrollTop, scrollLeft } = this.container.firstChild;
    return { scrollTop, scrollLeft };
  }

  scroll(place) {
    Object.assign(this.container.firstChild, place);
  }

  // Whether a row has what is searched for.
  found() {
    const usual = (_, words) => words.toLowerCase().includes(this.filter.toLowerCase());
    return !this.filter ? () => true : this.matches ? this.matches(this.filter) : usual;
  }

  draw() {
    const made = document.createDocumentFragment();
    const found = this.found();
    for (const place of this.order) {
      const values = this.rows[place];
      if (!found(place, values.map((value, index) => shown(value, this.columns[index])).join("\n"))) continue;
      const row = document.createElement("tr");
      row.dataset.row = place;
      values.slice(0, this.columns.length).forEach((value, index) => {
        const cell = row.insertCell();
        const column = this.columns[index];
        cell.className = column.numeric ? "hs-number" : column.wide ? "hs-wide" : "";
        cell.textContent = shown(value, column);
        this.cell?.(cell, value, column, place);
      });
      if (this.onPoint) {
        row.addEventListener("pointerenter", () => this.onPoint(place));
        row.addEventListener("pointerleave", () => this.onPoint(null));
      }
      if (this.onChoose) {
        row.tabIndex = 0;
        row.addEventListener("click", () => this.onChoose(place));
        row.addEventListener("focus", () => this.onPoint?.(place));
        row.addEventListener("keydown", (event) => {
          if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            this.onChoose(place);
          }
          const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
          if (step && row[step]) {
            event.preventDefault();
            row[step].focus();
          }
        });
      }
      made.append(row);
    }
    this.shownRows = made.childElementCount;
    this.body.replaceChildren(made);
    this.mark(this.chosen ?? null);
  }

  mark(place) {
    this.chosen = place;
    for (const row of this.body.rows) row.toggleAttribute("data-chosen", Number(row.dataset.row) === place);
  }

  reveal(place) {
    this.body.querySelector(`[data-row="${place}"]`)?.scrollIntoView({ block: "nearest" });
  }
}
