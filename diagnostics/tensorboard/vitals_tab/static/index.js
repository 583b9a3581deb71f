// The page of the tab: what is looked at, where that comes from, and when it is asked for again.
import { ask } from "./api.js";
import { el, withCode } from "./dom.js";
import { FindingsView } from "./findings.js";
import { followTheme, isShown, onAddress, onReload, readAddress, writeAddress } from "./host.js";
import { ALL, MapView } from "./map_view.js";
import { ago } from "./numbers.js";
import { Picker } from "./picker.js";
import { header, RunView } from "./run_view.js";
import { UnitsView } from "./units_view.js";

const LIVE_MS = 3000; // while a run has not ended
const LIVE_S = 90; // without a word for longer, nobody can tell whether a run goes on
const SILENT_S = 3600; // without a word for so long, a run was killed or is slow enough for the idle pace
const IDLE_MS = 15000;
const AWAY_MS = 1000; // until the next look whether the tab is shown again, which asks nobody
const VIEWS = { map: "Sweep map", run: "Run", findings: "Findings", units: "Dead units" };

class Page {
  constructor() {
    this.state = {};
    this.runs = null;
    this.drawn = "";
    const go = (change, how) => this.go(change, how);
    this.picker = new Picker(go);
    this.views = {
      map: new MapView(go),
      run: new RunView(go, async (run, layer, step) => (await ask("histograms", { run, layer, step: String(step) })).data),
      findings: new FindingsView(go),
      units: new UnitsView(go),
    };
    this.tabs = el("nav", { class: "views", "aria-label": "Views" }, Object.entries(VIEWS).map(([view, title]) => el("button", { type: "button", "data-view": view, onclick: () => go({ view }, { step: true }) }, title)));
    this.live = el("span", { class: "live quiet", role: "status" });
    this.body = el("div", { class: "body" }, el("p", { class: "notice" }, "Reading the logs…"));
    document.body.replaceChildren(el("div", { class: "top" }, this.tabs, this.picker.element, this.live), this.body);
  }

  start() {
    this.state = readAddress();
    followTheme(() => this.draw({ anew: true }));
    onAddress(() => {
      if (!isShown()) return;
      this.state = { ...readAddress() };
      this.draw();
    });
    onReload(() => this.refresh());
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.refresh(); });
    this.refresh();
  }

  go(change, { step = false, ofRun = false } = {}) {
    const inMap = ofRun && (this.state.view ?? "map") === "map";
    const elsewhere = (change.run ?? this.state.run) !== this.state.run || (change.view ?? "findings") !== "findings";
    this.state = { ...this.state, ...(elsewhere ? { finding: null } : {}), ...change, ...(inMap ? { view: "run" } : {}) };
    if (change.run && this.state.sweep !== ALL) this.state.sweep = this.runs?.find((run) => run.name === change.run)?.sweep ?? this.state.sweep;
    writeAddress(this.state, { step });
    this.draw();
  }

  async refresh() {
    clearTimeout(this.timer);
    const shown = !document.hidden && isShown();
    if (shown) {
      try {
        const { data } = await ask("runs");
        [this.runs, this.logdir, this.command] = [data.runs, data.logdir, data.start];
        await this.draw();
      } catch (error) {
        this.trouble(error);
      }
    }
    const last = Math.max(...(this.runs ?? []).filter((run) => run.status === "running").map((run) => run.time));
    const past = Date.now() / 1000 - last;
    const running = past < SILENT_S;
    this.live.textContent = past < LIVE_S ? "live" : running ? `last written ${ago(last)}` : "";
    this.live.classList.toggle("on", past < LIVE_S);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), !shown ? AWAY_MS : running ? LIVE_MS : IDLE_MS);
  }

  key(event) {
    if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") this.picker.input.focus();
    else if (event.key === "[") this.picker.step(-1);
    else if (event.key === "]") this.picker.step(1);
    else if (event.key === "Escape" && this.state.layer) this.go({ layer: null, step: null, metric: null });
    else return;
    event.preventDefault();
  }

  // Draws what the state asks for; the same data are not drawn again.
  async draw({ anew = false } = {}) {
    if (this.runs === null) return;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    this.picker.show(this.runs, this.state.run);
    if (!this.runs.length) return this.empty();
    const view = VIEWS[this.state.view] ? this.state.view : "map";
    const chosen = this.chooseSweepAndRun();
    for (const tab of this.tabs.children) tab.setAttribute("aria-current", tab.dataset.view === view ? "page" : "false");
    this.picker.show(this.runs, this.state.run);
    try {
      const { text, data } = await this.fetch(view, chosen);
      if (turn === this.turn) this.put(view, data, text, anew);
    } catch (error) {
      if (turn === this.turn) this.trouble(error);
    }
    return undefined;
  }

  async fetch(view, { sweep, run }) {
    if (view !== "map") return ask(view === "units" ? "units" : "run", { run });
    if (sweep === ALL) return { text: JSON.stringify(this.runs), data: { axes: [], cells: [], columns: null, elsewhere: [] } };
    return ask("map", { sweep, columns: this.state.columns, rows: this.state.rows });
  }

  chooseSweepAndRun() {
    const { state, runs } = this;
    const sweep = state.sweep ?? runs.find((run) => run.name === state.run)?.sweep ?? commonestSweep(runs);
    const run = state.run ?? runs.find((each) => each.sweep === sweep)?.name ?? runs[0].name;
    Object.assign(state, { sweep, ...(VIEWS[state.view] && state.view !== "map" ? { run } : {}) });
    writeAddress(state, { step: false });
    return { sweep, run };
  }

  put(view, data, text, anew) {
    const { sweep, run, columns, rows, cell, finding, along, unit } = this.state;
    const { [view]: shown } = this.views;
    const { scrollTop } = this.body;
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    const stays = this.body.lastChild === shown.element && this.shownRun === run;
    const chosen = { map: [sweep, columns, rows, cell, this.runs.length], units: unit, run: along, findings: finding };
    const drawn = JSON.stringify([view, text, chosen[view]]);
    if (anew || drawn !== this.drawn) {
      if (view === "map") shown.show(data, this.runs, this.state);
      else shown.show(data, this.state);
    } else if (view === "run") shown.select(this.state);
    [this.drawn, this.shownRun] = [drawn, run];
    if (view === "findings" || view === "units") this.body.replaceChildren(header(data), shown.element);
    else if (this.body.lastChild !== shown.element || this.body.children.length > 1) this.body.replaceChildren(shown.element);
    this.body.scrollTop = stays ? scrollTop : 0;
    this.lookFor(view === "findings" && finding ? [run, finding] : []);
    this.keepFocus(focused, stays);
  }

  // Marks the finding of the address, and goes to it once.
  lookFor([run, key]) {
    const found = [...this.body.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
    found?.classList.add("looked-for");
    const looked = found ? JSON.stringify([run, key]) : "";
    if (found && looked !== this.looked) found.scrollIntoView({ block: "center" });
    this.looked = looked;
  }

  // What had the focus has it again when it was drawn anew; where it led somewhere else, the heading there has it.
  keepFocus(focused, stays) {
    if (!focused || focused.isConnected || document.activeElement !== document.body) return;
    const again = stays && [...this.body.querySelectorAll(focused.tagName)].find((each) => each.textContent === focused.textContent);
    (again || this.body.querySelector("h1"))?.focus({ preventScroll: true });
  }

  empty() {
    this.drawn = "";
    this.body.replaceChildren(el("div", { class: "notice" },
      el("h1", {}, "No gradvitals runs here yet"),
      el("p", {}, "Nothing below ", el("code", {}, this.logdir || "the log folder"), " was recorded by gradvitals. Start with:"),
      el("pre", {}, this.command),
      el("p", { class: "quiet" }, "or watch a training of your own: ", el("code", {}, "gradvitals.watch(model, logdir=…)"), ". The page looks again by itself.")));
  }

  trouble(error) {
    this.drawn = "";
    const gone = error.status === 404 && (this.state.run || this.state.sweep);
    this.body.replaceChildren(el("div", { class: "notice" },
      el("h1", { class: "error" }, gone ? "This is not there (any more)" : "This cannot be shown"),
      el("p", {}, ...withCode(error.message)),
      gone ? el("button", { type: "button", class: "link", onclick: () => this.go({ view: "map", run: null, sweep: null, columns: null, rows: null }) }, "Go to the map")
        : error.status === 400 ? el("button", { type: "button", class: "link", onclick: () => this.go({ columns: null, rows: null, layer: null, step: null }) }, "Start with the usual axes")
          : el("button", { type: "button", class: "link", onclick: () => this.refresh() }, "Try again")));
  }
}

function commonestSweep(runs) {
  const counts = new Map();
  runs.forEach((run) => counts.set(run.sweep, (counts.get(run.sweep) ?? 0) + 1));
  const [[sweep, most]] = [...counts].sort((one, other) => other[1] - one[1]);
  return most === 1 && counts.size > 1 ? ALL : sweep;
}

export function render() {
  for (const name of ["uPlot.min.css", "vitals.css"]) {
    document.head.append(el("link", { rel: "stylesheet", href: new URL(`./${name}`, import.meta.url).href }));
  }
  document.documentElement.lang = "en";
  new Page().start();
}
