// A run: its facts, its curves, and what was measured of every layer at every step.
import { Chart } from "./chart.js";
import { el, patch, shortName, withCode, words } from "./dom.js";
import { findingsInBrief } from "./findings.js";
import { HeatMap } from "./heat_map.js";
import { LayerDetail } from "./layer_detail.js";
import { ago, count, show } from "./numbers.js";
import { makeTimeline } from "./scales.js";

export class RunView {
  constructor(go, fetchHistograms) {
    this.go = go;
    this.parts = [];
    this.detail = new LayerDetail(fetchHistograms, go);
    this.element = el("main", { class: "run-view" });
  }

  show(run, state) {
    const before = (this.maps ?? []).map((map) => map.reader());
    this.close();
    const marks = marksOf(run);
    const lastStep = Math.max(run.step, ...run.heat.map((map) => map.steps[map.steps.length - 1]), 1);
    const timeline = (this.timeline = makeTimeline(lastStep, state.along));
    const select = (metric, layer, step) => this.go({ metric, layer, step: String(step) });
    const hover = (step) => this.maps.forEach((map) => map.cross(step));
    this.maps = run.heat.map((data) => new HeatMap(data, timeline, marks, { hover, select }));
    this.charts = run.curves.map((curve) => new Chart({ ...curve, timeline, marks }));
    this.run = run;
    this.side = el("aside", { class: "side" });
    this.element.replaceChildren(header(run, this.alongSwitch(state)),
      el("div", { class: "columns" },
        el("div", { class: "main" },
          this.charts.length ? el("div", { class: "curves" }, this.charts.map((chart) => chart.element)) : "",
          run.told ? el("p", { class: "quiet" }, ...withCode(run.told)) : "",
          this.maps.length ? this.stack(timeline, marks) : el("p", { class: "notice" }, "Nothing was recorded by layer so far.")),
        this.side));
    this.select(state);
    for (const reader of before) this.maps.find((map) => map.data.metric === reader.metric)?.goOn(reader);
  }

  alongSwitch({ along }) {
    const choice = (value, title) => el("button", { type: "button", "aria-pressed": String((along === "log") === (value === "log")), onclick: () => this.go({ along: value }) }, title);
    return el("div", { class: "switch", role: "group", "aria-label": "Steps" }, el("span", { class: "quiet" }, "Steps"), choice(null, "even"), choice("log", "log"));
  }

  stack(timeline, marks) {
    const lane = el("div", { class: "lane" }, groupMarks(marks, timeline).map(({ place, found }) => el("button", {
      type: "button", class: "mark", style: { left: `${100 * place}%` }, title: found.map((mark) => `${mark.key}: since step ${mark.since}`).join("\n"),
      onclick: () => this.openFinding(found[0]),
    }, [...new Map(found.map((mark) => [mark.symbol, mark])).values()].slice(0, 4).map((mark) => patch(mark)))));
    const axis = el("div", { class: "axis-steps", "aria-hidden": "true" }, timeline.ticks().map(([place, step]) => el("span", { style: { left: `${100 * place}%` } }, count(step))));
    return el("div", { class: "stack" }, marks.length ? el("div", { class: "lane-row" }, el("span", { class: "quiet" }, "began here"), lane) : "",
      this.maps.map((map) => map.element), el("div", { class: "lane-row" }, el("span", { class: "quiet" }, "step"), axis));
  }

  select(state) {
    const chosen = state.layer && state.metric ? { metric: state.metric, layer: state.layer, step: Number(state.step ?? this.run.step) } : null;
    this.maps.forEach((map) => map.place(chosen));
    const brief = findingsInBrief(this.run, (finding) => this.openFinding(finding));
    const detail = chosen ? this.detail.show(this.run, chosen, this.timeline) : el("p", { class: "quiet hint" }, "Click a layer's cell for its curve and its histograms at that step.");
    this.side.replaceChildren(...(chosen ? [detail, brief] : [brief, detail]));
  }

  openFinding(finding) {
    this.go({ view: "findings", finding: finding.key }, { step: true });
  }

  close() {
    this.maps?.forEach((map) => map.close());
    this.charts?.forEach((chart) => chart.close());
    this.detail.close();
  }
}

export function header(run, switched = "") {
  const progress = run.total_steps ? `${count(run.step)} of ${count(run.total_steps)} steps` : `${count(run.step)} steps`;
  const state = run.status === "running" ? `no end yet, last written ${ago(run.time)}` : words(run.status);
  const scores = Object.entries(run.scores).map(([name, value]) => [name, show(value)]);
  if (run.scored_on) scores.push(["scored on", run.scored_on]);
  const facts = [["status", state], ["progress", progress], ...scores, ...Object.entries(run.facts).map(([name, value]) => [name === "loss" ? "loss function" : name, typeof value === "number" ? show(value) : value])];
  return el("header", { class: "run-head" }, switched,
    el("h1", { tabindex: "-1" }, el("span", { class: run.verdict }, `${run.sign} ${words(run.verdict)}`), run.root ? [" ", patch(run.look), " ", el("span", { class: "root-name" }, run.look.name)] : "", " ", el("bdi", { class: "run-name quiet", title: run.name }, shortName(run.name))),
    el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, el("bdi", {}, value))))));
}

function marksOf(run) {
  return run.findings.roots.flatMap((finding) => [finding, ...finding.explains]).map((finding) => ({ ...finding, since: Math.max(finding.since, 0) }));
}

// Findings that began close together stand as one mark.
function groupMarks(marks, timeline) {
  const groups = [];
  for (const mark of [...marks].sort((one, other) => one.since - other.since)) {
    const place = timeline.place(mark.since);
    const group = groups[groups.length - 1];
    if (group && place - group.place < 0.05) group.found.push(mark);
    else groups.push({ place, found: [mark] });
  }
  return groups;
}
