// Tables that update their cells in place, so that focus, selection and scroll position survive.
// All text is set as textContent: names and NAIs come from the network and are not trusted.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function setText(target, text) {
  const wanted = String(text);
  if (target.textContent !== wanted) target.textContent = wanted;
}

/**
 * A table with a caption. Each column is {title, show(row, cell)} and may have a kind, which becomes the cells' class;
 * the first column is the row's header. Roles are spelled out because narrow screens lay the rows out as grids.
 */
export class Table {
  constructor(parent, caption, columns, keyOf) {
    this.columns = columns;
    this.keyOf = keyOf;
    this.rows = new Map();
    this.body = element("tbody", { role: "rowgroup" });
    const titles = columns.map(({ title, kind = "" }) =>
      element("th", { scope: "col", role: "columnheader", class: kind }, title));
    this.table = element("table", { role: "table" },
      element("caption", {}, caption),
      element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...titles)),
      this.body);
    parent.append(this.table);
  }

  update(rows) {
    const gone = new Set(this.rows.keys());
    rows.forEach((row, index) => {
      const key = this.keyOf(row);
      gone.delete(key);
      if (!this.rows.has(key)) this.rows.set(key, this.newRow());
      const line = this.rows.get(key);
      this.columns.forEach(({ show }, number) => show(row, line.children[number]));
      if (this.body.children[index] !== line) this.body.insertBefore(line, this.body.children[index] ?? null);
    });
    for (const key of gone) {
      this.rows.get(key).remove();
      this.rows.delete(key);
    }
  }

  newRow() {
    return element("tr", { role: "row" }, ...this.columns.map(({ title, kind = "" }, number) =>
      number === 0
        ? element("th", { scope: "row", role: "rowheader", class: kind })
        : element("td", { role: "cell", class: kind, "data-title": title })));
  }

  remove() {
    this.table.remove();
  }
}
