// The choice of a run: type to filter, arrows to move, Enter to open.
import { el, folderOf, patch, shortName } from "./dom.js";

const MOST = 200;

export class Picker {
  constructor(go) {
    this.go = go;
    this.runs = [];
    this.active = 0;
    this.input = el("input", {
      type: "text", class: "picker-input", role: "combobox", "aria-expanded": "false", "aria-controls": "picker-list", "aria-autocomplete": "list",
      "aria-label": "Run: type to filter", placeholder: "Choose a run…", autocomplete: "off", spellcheck: "false",
      oninput: () => { this.active = 0; this.open(); },
      onfocus: () => { this.input.select(); },
      onclick: () => this.open(),
      onkeydown: (event) => this.key(event),
      onblur: () => this.shut(),
    });
    this.list = el("ul", { class: "picker-list", id: "picker-list", role: "listbox", hidden: true });
    this.back = this.arrow("‹", "Previous run ([)", -1);
    this.forth = this.arrow("›", "Next run (])", 1);
    this.element = el("div", { class: "picker" }, this.back, el("div", { class: "picker-box" }, this.input, this.list), this.forth);
  }

  arrow(sign, title, move) {
    return el("button", { type: "button", class: "arrow", title, "aria-label": title, onclick: () => this.step(move) }, sign);
  }

  show(runs, chosen) {
    Object.assign(this, { runs, chosen });
    if (this.list.hidden) this.input.value = chosen ? shortName(chosen) : "";
    this.input.title = chosen ?? "";
    this.back.disabled = this.forth.disabled = runs.length < 2;
    if (!this.list.hidden) this.fill();
  }

  step(move) {
    const at = this.runs.findIndex((run) => run.name === this.chosen);
    const next = at < 0 ? 0 : (at + move + this.runs.length) % this.runs.length;
    if (this.runs.length) this.choose(this.runs[next].name);
  }

  open() {
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.fill();
  }

  shut() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    this.input.value = this.chosen ? shortName(this.chosen) : "";
  }

  // Every word that was typed must be in the name, the verdict or the diagnosis.
  found() {
    const typed = this.input.value === (this.chosen ? shortName(this.chosen) : "") ? "" : this.input.value;
    const parts = typed.toLowerCase().split(/\s+/).filter(Boolean);
    return this.runs.filter((run) => {
      const text = `${run.name} ${run.verdict} ${run.look.name}`.toLowerCase();
      return parts.every((part) => text.includes(part));
    });
  }

  fill() {
    const found = this.found();
    this.shown = found.slice(0, MOST);
    this.active = Math.min(this.active, Math.max(this.shown.length - 1, 0));
    const folders = new Set(this.runs.map((run) => run.sweep)).size > 1;
    const items = this.shown.map((run, place) => el("li", {
      id: `picker-${place}`, role: "option", class: "option", "aria-selected": place === this.active ? "true" : "false", title: run.name,
      onpointerdown: (event) => { event.preventDefault(); this.choose(run.name); },
    }, patch(run.look), el("bdi", {}, shortName(run.name)), folderOf(run, folders)));
    const rest = found.length - this.shown.length;
    this.list.replaceChildren(...items, found.length ? "" : el("li", { class: "quiet none" }, "No run has all of these words."), rest > 0 ? el("li", { class: "quiet none" }, `… and ${rest} more; type to filter`) : "");
    const active = this.list.children[this.active];
    if (active?.id) {
      this.input.setAttribute("aria-activedescendant", active.id);
      active.scrollIntoView({ block: "nearest" });
    }
  }

  key(event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (this.list.hidden) this.open();
      else this.active = Math.max(0, this.active + (event.key === "ArrowDown" ? 1 : -1));
      this.fill();
    } else if (event.key === "Enter" && !this.list.hidden && this.shown[this.active]) {
      this.choose(this.shown[this.active].name);
    } else if (event.key === "Escape") {
      this.shut();
    } else return;
    event.preventDefault();
  }

  choose(run) {
    this.chosen = run;
    this.shut();
    this.input.blur();
    this.go({ run, layer: null, step: null, metric: null, unit: null }, { step: true, ofRun: true });
  }
}
