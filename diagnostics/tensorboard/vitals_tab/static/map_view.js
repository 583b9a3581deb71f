// The map of a sweep: what broke where, over two axes of the user's choice.
import { el, patch, shortName, words } from "./dom.js";
import { show } from "./numbers.js";
import { runTable } from "./run_table.js";

export const ALL = ":all"; // no folder's name on any system that counts
const MANY = 12; // columns, beyond which symbol and score stand above each other

const last = (key) => key.split(".").pop();

export class MapView {
  // `go` takes a change of the state.
  constructor(go) {
    this.go = go;
    this.element = el("main", { class: "map-view" });
  }

  show(data, runs, state) {
    Object.assign(this, { data, state });
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset : {};
    const inSweep = runs.filter((run) => state.sweep === ALL || run.sweep === state.sweep);
    this.element.replaceChildren(
      this.controls(runs),
      data.cells.length && data.columns ? this.table() : "",
      data.cells.length && data.columns ? this.legend(inSweep) : "",
      this.list(inSweep),
    );
    this.element.querySelector(`.cell[data-row="${focused.row}"][data-column="${focused.column}"]`)?.focus({ preventScroll: true });
  }

  controls(runs) {
    const { data, state } = this;
    const sweeps = [...new Set(runs.map((run) => run.sweep))];
    const names = data.axes.map((axis) => axis.key);
    const field = (label, name, options, chosen) => el("label", {}, label, el("select", {
      name, onchange: (event) => this.choose(name, event.target.value),
    }, options.map(([value, text]) => el("option", { value, selected: value === chosen }, text))));
    const shared = data.axes.filter((axis) => axis.key !== data.columns && axis.key !== data.rows);
    return el("div", { class: "controls" },
      sweeps.length > 1 ? field("Sweep", "sweep", [...sweeps.map((sweep) => [sweep, sweep || "top of the logs"]), [ALL, "all runs, as a list"]], state.sweep) : "",
      names.length ? field("Across", "columns", names.map((key) => [key, key]), data.columns) : "",
      names.length > 1 ? field("Down", "rows", [["", "nothing"], ...names.filter((key) => key !== data.columns).map((key) => [key, key])], data.rows ?? "") : "",
      shared.length ? el("span", { class: "quiet" }, `Runs that differ in ${shared.map((axis) => last(axis.key)).join(", ")} share a cell.`) : "");
  }

  choose(name, value) {
    const { data, state } = this;
    if (name === "sweep") this.go({ sweep: value, columns: null, rows: null, cell: null });
    else if (name === "columns") this.go({ columns: value, rows: value === data.rows ? data.columns : data.rows ?? state.rows, cell: null });
    else this.go({ columns: data.columns, rows: value, cell: null });
  }

  table() {
    const { data } = this;
    const axis = (key) => data.axes.find((each) => each.key === key);
    const columns = axis(data.columns).labels;
    const rows = data.rows ? axis(data.rows).labels : [""];
    const at = new Map(data.cells.map((cell) => [`${cell.row} ${cell.column}`, cell]));
    const cells = (row) => columns.map((label, column) => {
      const cell = at.get(`${row} ${column}`);
      return el("td", {}, cell ? this.cell(cell, row, column) : el("span", { class: "missing", title: "no run here yet" }));
    });
    const table = el("table", { class: columns.length > MANY ? "map many" : "map", onkeydown: (event) => this.key(event) },
      el("thead", {},
        el("tr", {}, el("td", {}), el("th", { class: "axis", colspan: columns.length, scope: "colgroup" }, `${data.columns} →`)),
        el("tr", {}, el("th", { class: "axis down", title: data.rows }, data.rows ? `${data.rows} ↓` : ""), columns.map((label) => el("th", { scope: "col", title: label }, el("bdi", {}, label))))),
      el("tbody", {}, rows.map((label, row) => el("tr", {}, el("th", { scope: "row", title: label }, el("bdi", {}, label)), cells(row)))));
    const first = table.querySelector(".cell");
    if (first) first.tabIndex = 0;
    return el("div", { class: "wide" }, table);
  }

  cell(cell, row, column) {
    const text = this.describe(cell);
    const strong = cell.verdict === "error" || cell.verdict === "warning";
    return el("button", {
      class: `cell ${cell.verdict}`, type: "button", tabindex: "-1", "data-row": row, "data-column": column, "data-root": cell.root, "data-verdict": cell.verdict,
      "aria-label": text.join("; "), style: { background: cell.look.colour, color: cell.look.ink },
      onclick: () => this.open(cell),
    },
    el("span", { class: "symbol", "aria-hidden": "true" }, cell.look.symbol),
    cell.score_text ? el("span", { class: "score", "aria-hidden": "true" }, cell.score_text) : "",
    el("span", { class: "verdict", "aria-hidden": "true" }, strong || cell.running === 0 ? cell.sign : "", cell.running > 0 && cell.root !== "running" ? "…" : ""),
    cell.runs.length > 1 ? el("span", { class: "several", "aria-hidden": "true" }, `×${cell.runs.length}`) : "",
    el("span", { class: "tip", "aria-hidden": "true" }, text.map((line) => el("bdi", {}, line))));
  }

  describe(cell) {
    const lines = [`${words(cell.verdict)}: ${cell.look.name}`];
    if (cell.score !== null) lines.push(`${cell.runs.length > 1 ? "mean " : ""}${this.data.score_name} ${show(cell.score)}`);
    if (cell.runs.length === 1) lines.push(shortName(cell.runs[0]));
    else lines.push(...cell.counts.map(([name, verdict, runs]) => `${runs} of ${cell.runs.length}: ${name} (${words(verdict)})`));
    if (cell.running) lines.push(cell.runs.length > 1 ? `${cell.running} without an end so far` : "no end so far");
    return lines;
  }

  open(cell) {
    if (cell.runs.length === 1) this.go({ view: "run", run: cell.runs[0], layer: null, step: null, metric: null }, { step: true });
    else this.go({ cell: this.state.cell === cell.runs[0] ? null : cell.runs[0] });
  }

  key(event) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const from = event.target.closest(".cell");
    if (!moves[event.key] || !from) return;
    event.preventDefault();
    let [row, column] = [Number(from.dataset.row), Number(from.dataset.column)];
    for (let tries = 0; tries < 100; tries += 1) {
      row += moves[event.key][0];
      column += moves[event.key][1];
      const to = this.element.querySelector(`.cell[data-row="${row}"][data-column="${column}"]`);
      if (!to) continue;
      from.tabIndex = -1;
      to.tabIndex = 0;
      to.focus();
      return;
    }
  }

  legend(runs) {
    const { data } = this;
    const running = runs.filter((run) => run.status === "running").length;
    return el("div", { class: "under" },
      el("ul", { class: "legend" }, data.legend.map((look) => el("li", {}, patch(look), " ", el("bdi", {}, look.name), el("span", { class: "quiet" }, ` ${look.runs}`)))),
      el("p", { class: "quiet" }, `A cell shows the commonest root diagnosis, its verdict (✗ error, ! warning, ✓ healthy, ? not judged, … no end so far) and the mean ${data.score_name} on validation.`,
        running ? ` ${running} of ${runs.length} runs have not ended.` : "",
        data.best ? " Best: " : "", data.best ? this.link(data.best.run) : "", data.best ? ` (${data.score_name} ${show(data.best.score)}).` : ""));
  }

  link(run) {
    return el("button", { class: "link", type: "button", onclick: () => this.go({ view: "run", run }, { step: true }) }, el("bdi", {}, shortName(run)));
  }

  // The runs of the chosen cell; those without a place; or all, where there is no map.
  list(runs) {
    const { data, state } = this;
    const chosen = state.cell ? data.cells.find((cell) => cell.runs.includes(state.cell)) : null;
    const open = (run) => this.go({ view: "run", run: run.name, layer: null, step: null, metric: null }, { step: true });
    const table = (title, names) => (names.length ? el("section", { class: "list" }, el("h2", {}, title), runTable(runs.filter((run) => names.includes(run.name)), open)) : "");
    if (chosen) return table(`The ${chosen.runs.length} runs of this cell`, chosen.runs);
    if (!data.columns) return table("Runs", runs.map((run) => run.name));
    return table("Runs without a place on this map", data.elsewhere);
  }
}
