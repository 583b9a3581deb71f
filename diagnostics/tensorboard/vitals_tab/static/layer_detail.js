// A layer at a step: its curve, and the histograms that were taken nearest to that step.
import { Chart } from "./chart.js";
import { el } from "./dom.js";
import { histogramBars } from "./histogram.js";
import { count, show } from "./numbers.js";

const TITLES = { activations: "Outputs", gradients: "Gradients", weights: "Weights" };

export class LayerDetail {
  constructor(fetchHistograms, go) {
    Object.assign(this, { fetchHistograms, go });
  }

  show(run, { metric, layer, step }, timeline) {
    this.close();
    const map = run.heat.find((each) => each.metric === metric) ?? run.heat[0];
    const row = map ? map.layers.indexOf(layer) : -1;
    if (row < 0) return el("p", { class: "notice" }, `${layer}: this run has no such layer.`);
    const lines = map.layers.map((name, place) => ({ name, values: map.values[place], faint: place !== row, place }))
      .sort((one, other) => one.faint === other.faint ? one.place - other.place : other.faint - one.faint)
      .slice(-9);
    this.chart = new Chart({ title: "", steps: map.steps, lines, scale: map.scale, timeline, height: 150, marks: [{ since: step }] });
    this.histograms = el("div", { class: "histograms" });
    this.fill(run, layer, step);
    const info = run.layers.find((each) => each.name === layer);
    const at = map.steps.findLastIndex((each, place) => each <= step && map.values[row][place] !== null);
    return el("section", { class: "detail", "data-layer": layer, "data-step": step },
      el("h2", {}, el("bdi", {}, layer === "global" ? "all layers" : layer),
        el("button", { type: "button", class: "close", "aria-label": "Close", title: "Close (Esc)", onclick: () => this.go({ layer: null, step: null, metric: null }) }, "×")),
      info ? el("p", { class: "quiet" }, `${info.fan_in} → ${info.fan_out}, ${info.activation}`) : "",
      el("p", {}, el("b", {}, map.title), at < 0 ? " was not measured by then." : ` ${show(map.values[row][at])} at step ${count(map.steps[at])}`),
      this.chart.element, this.histograms);
  }

  async fill(run, layer, step) {
    const into = this.histograms;
    if (!run.histograms[layer]?.length) {
      into.replaceChildren(el("p", { class: "quiet" }, layer === "global" ? "" : "No histograms were recorded of this layer."));
      return;
    }
    try {
      const found = await this.fetchHistograms(run.name, layer, step);
      into.replaceChildren(...found.map((each) => el("figure", { class: "histogram-of", "data-kind": each.kind, "data-step": each.step },
        el("figcaption", {}, TITLES[each.kind], this.steps(each)),
        histogramBars(each, `${TITLES[each.kind]} of ${layer} at step ${each.step}`))));
    } catch (error) {
      into.replaceChildren(el("p", { class: "error" }, `The histograms cannot be read: ${error.message}`));
    }
  }

  // Which step is shown, and the way to the ones before and after.
  steps({ step, steps }) {
    const at = steps.indexOf(step);
    const button = (place, sign, label) => el("button", { type: "button", class: "arrow", disabled: steps[place] === undefined, "aria-label": label, title: label, onclick: () => this.go({ step: String(steps[place]) }) }, sign);
    return el("span", { class: "quiet steps" }, button(at - 1, "‹", "Histograms before"), ` step ${count(step)} `, button(at + 1, "›", "Histograms after"));
  }

  close() {
    this.chart?.close();
    this.chart = null;
  }
}
