// The death of a unit: its pre-activations before and after, and what the update did to them.
import { el } from "./dom.js";
import { count, show } from "./numbers.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [600, 90];

export class UnitsView {
  constructor(go) {
    this.go = go;
    this.element = el("main", { class: "units-view" });
  }

  show(run, state) {
    const { deaths } = run;
    if (!deaths.length) {
      this.element.replaceChildren(el("p", { class: "notice" }, run.status === "running"
        ? "No unit was found dead so far. Units are counted over the whole training set from time to time."
        : "No death of a unit was recorded in this run. It has no dead ReLU units, was watched without its data, or was recorded by an earlier version."));
      return;
    }
    const chosen = deaths.find((death) => nameOf(death) === state.unit) ?? deaths.find((death) => death.killed_by !== null) ?? deaths.find((death) => death.fired_after !== null) ?? deaths[0];
    this.element.replaceChildren(el("div", { class: "unit-columns" }, this.list(run, chosen), detail(chosen)));
  }

  list({ deaths, left_out: leftOut }, chosen) {
    const layers = [...new Set(deaths.map((death) => death.layer))];
    return el("nav", { class: "unit-list", "aria-label": "Units that died", onkeydown: (event) => walk(event) }, layers.map((layer) => el("section", {},
      el("h2", {}, el("bdi", {}, layer)),
      deaths.filter((death) => death.layer === layer).map((death) => el("button", {
        type: "button", class: "unit", "aria-current": death === chosen ? "true" : "false", onclick: () => this.go({ unit: nameOf(death) }),
      }, el("b", {}, `unit ${death.unit}`), el("span", { class: "quiet" }, death.when))),
      leftOut.filter((each) => each.layer === layer).map((each) => el("p", { class: "quiet" }, `and ${count(each.units)} more by step ${count(each.step)}, of which no more was recorded`)))));
  }
}

const nameOf = (death) => `${death.layer}:${death.unit}:${death.step}`;

function walk(event) {
  const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!move) return;
  event.preventDefault();
  const units = [...event.currentTarget.querySelectorAll(".unit")];
  units[Math.min(Math.max(units.indexOf(document.activeElement) + move, 0), units.length - 1)]?.focus();
}

function detail(death) {
  const after = `after update ${count(death.silent_after)}`;
  const what = death.of === "outputs" ? "Outputs" : "Pre-activations";
  const fired = death.fired_rows ? `fired on ${count(death.fired_rows)} of ${count(death.rows)}` : "";
  return el("article", { class: "unit-detail", "data-unit": nameOf(death) },
    el("h1", {}, `Unit ${death.unit} of `, el("bdi", {}, death.layer), ": ", el("span", { class: "error" }, death.when)),
    death.why ? el("p", {}, death.why) : "",
    death.edges.length > 1 ? [
      el("h2", {}, `${what} over ${death.certain ? "the training set" : "the rows looked at"}`, el("span", { class: "quiet aside" }, "the axis is stretched around 0")),
      death.fired_after === null ? "" : distribution(death, death.before, `after update ${count(death.fired_after)}${fired ? `: ${fired}` : ""}`, "before"),
      distribution(death, death.after, `${after}: silent on all`, "after"),
    ] : "",
    death.largest_with_both === null ? "" : [el("h2", {}, "Its largest pre-activation"), steps(death)],
    table(death));
}

// Bars of equal width: the axis is stretched around zero, where it matters whether a unit fires.
function distribution({ edges, rows }, counts, title, kind) {
  const bins = edges.length - 1;
  const tallest = Math.max(...counts, 1);
  const picture = document.createElementNS(SVG, "svg");
  const add = (tag, properties) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(properties)) element.setAttribute(name, String(value));
    picture.append(element);
    return element;
  };
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "bars", role: "img", "aria-label": title })) picture.setAttribute(name, value);
  counts.forEach((each, bin) => {
    if (!each) return;
    const tall = Math.max((each / tallest) * (HEIGHT - 4), 1.5);
    const bar = add("rect", { x: (bin / bins) * WIDTH + 1, y: HEIGHT - tall, width: WIDTH / bins - 2, height: tall, class: edges[bin] >= 0 ? "bar fires" : "bar silent" });
    bar.append(Object.assign(document.createElementNS(SVG, "title"), { textContent: `${count(each)} of ${count(rows)} between ${show(edges[bin])} and ${show(edges[bin + 1])}` }));
  });
  const zero = edges.indexOf(0);
  if (zero >= 0) add("line", { x1: (zero / bins) * WIDTH, x2: (zero / bins) * WIDTH, y1: 0, y2: HEIGHT, class: "zero" });
  const middle = zero > 0 && zero < bins ? el("span", { style: { position: "absolute", left: `${(100 * zero) / bins}%`, transform: "translateX(-50%)" } }, "0") : "";
  return el("figure", { class: "distribution", "data-kind": kind }, el("figcaption", { class: "quiet" }, title), picture,
    el("div", { class: "bars-axis quiet" }, el("span", {}, show(edges[0])), middle, el("span", {}, show(edges[bins]))));
}

// What the largest pre-activation was, would have been with each change alone, and is.
function steps(death) {
  const rows = [
    [`after update ${count(death.fired_after)}`, death.largest_before],
    ["with the new bias only", death.largest_with_new_bias],
    ["with the new weights only", death.largest_with_new_weights],
    ["with both, on the same inputs", death.largest_with_both],
    [`after update ${count(death.silent_after)}`, death.largest_after],
  ].filter(([, value]) => value !== null);
  const reach = Math.max(...rows.map(([, value]) => Math.abs(value)).filter(Number.isFinite), 1e-12);
  const low = Math.min(0, ...rows.map(([, value]) => Math.max(value, -reach)));
  const high = Math.max(0, ...rows.map(([, value]) => Math.min(value, reach)));
  const place = (value) => (100 * (Math.min(Math.max(value, low), high) - low)) / (high - low || 1);
  return el("table", { class: "largest" }, rows.map(([title, value]) => el("tr", { class: value > 0 ? "fires" : "silent" },
    el("th", { scope: "row" }, title),
    el("td", { class: "number" }, show(value)),
    el("td", { class: "bar-cell" }, el("div", { class: "bar-field" },
      el("i", { style: { left: `${Math.min(place(value), place(0))}%`, width: `${Math.abs(place(value) - place(0))}%` } }),
      el("s", { style: { left: `${place(0)}%` } }))),
    el("td", {}, value > 0 ? "fires" : "silent"))));
}

function table(death) {
  const change = (before, after) => (before === null ? show(after) : `${show(before)} → ${show(after)}`);
  const rows = [
    ["Bias", death.bias_after === null ? null : change(death.bias_before, death.bias_after)],
    ["Norm of its weights", death.weight_norm_after === null ? null : change(death.weight_norm_before, death.weight_norm_after)],
    ["Norm of their change", death.weight_change === null ? null : show(death.weight_change)],
    ["Found dead by the scan at step", `${count(death.step)}${death.found > 1 ? `, with ${count(death.found - 1)} more of its layer` : ""}`],
  ].filter(([, value]) => value !== null);
  return el("dl", { class: "facts" }, rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}
