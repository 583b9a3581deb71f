// Curves, drawn by uPlot on places between 0 and 1, so that their axes are those of the heat maps.
import uPlot from "./uPlot.esm.js";
import { cssColour } from "./colours.js";
import { el } from "./dom.js";
import { count, show } from "./numbers.js";
import { makeScale } from "./scales.js";

const STYLES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [14, 4], [4, 4], [9, 3, 2, 3, 2, 3], [1, 5]];
const PAD = 0.05;

// `lines` have a name, values, and may be faint; `data.scale` is as the server chose it.
export class Chart {
  constructor({ title, steps, lines, scale, timeline, height = 130, marks = [] }) {
    this.element = el("figure", { class: "chart" }, el("figcaption", {}, title));
    Object.assign(this, { title, steps, lines, height, marks, timeline, scale: makeScale(scale) });
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.element);
  }

  draw() {
    const width = this.element.clientWidth;
    if (!width || this.width === width) return;
    this.width = width;
    this.plot?.destroy();
    const places = this.lines.map((line) => line.values.map((value) => (value === null || !Number.isFinite(value) ? null : this.scale.place(value))));
    this.plot = new uPlot(this.options(width), [this.steps.map(this.timeline.place), ...places], this.element);
  }

  options(width) {
    const quiet = { stroke: cssColour("quiet"), font: "11px system-ui, sans-serif", ticks: { stroke: cssColour("rule"), size: 4 } };
    const [along, ticks] = [this.timeline.ticks(), this.scale.ticks()];
    const axis = (found) => ({ splits: () => found.map(([place]) => place), values: (_, splits) => splits.map((place) => found.find(([each]) => each === place)?.[1] ?? "") });
    return {
      width, height: this.height, padding: [8, 10, 0, 0],
      scales: { x: { time: false, range: () => [0, 1] }, y: { range: () => [-PAD, 1 + PAD] } },
      cursor: { points: { size: 6 }, drag: { x: false, y: false } },
      legend: { show: !this.lines.some((line) => line.faint) },
      axes: [
        { ...quiet, grid: { show: false }, size: 26, ...axis(along.map(([place, step]) => [place, count(step)])) },
        { ...quiet, grid: { stroke: cssColour("rule"), width: 1 }, size: 46, ...axis(ticks) },
      ],
      series: [{ label: "step", value: (_, __, ___, index) => (index === null ? "–" : count(this.steps[index])) }, ...this.lines.map((line, place) => this.series(line, place))],
      hooks: { draw: [(plot) => { this.drawMarks(plot); this.drawStrange(plot); }] },
    };
  }

  series(line, place) {
    return {
      label: line.name,
      stroke: cssColour(line.faint ? "rule" : `s${this.styleOf(place)}`),
      width: line.faint ? 1 : 1.8,
      dash: line.faint ? [] : STYLES[this.styleOf(place)],
      spanGaps: true,
      gaps: (plot, index, from, to, gaps) => [...gaps, ...this.strangeGaps(plot, line.values)],
      points: { show: line.values.filter((value) => value !== null).length < 3 },
      value: (plot, _, __, index) => show(index === null ? lastOf(line.values) : line.values[index]),
    };
  }

  // Faint lines have no style of their own.
  styleOf(place) {
    return this.lines.slice(0, place).filter((line) => !line.faint).length % STYLES.length;
  }

  // A curve is interrupted where it is not finite, not where another line has a point more.
  strangeGaps(plot, values) {
    const found = [];
    values.forEach((value, index) => {
      if (value === null || Number.isFinite(value)) return;
      const at = (place) => plot.valToPos(this.timeline.place(this.steps[Math.min(Math.max(place, 0), this.steps.length - 1)]), "x", true);
      found.push([at(index - 1), at(index + 1)]);
    });
    return found;
  }

  drawMarks({ ctx, bbox, valToPos }) {
    ctx.save();
    ctx.strokeStyle = cssColour("ink");
    ctx.globalAlpha = 0.45;
    ctx.setLineDash([2, 3]);
    for (const step of new Set(this.marks.map((mark) => mark.since))) {
      const x = valToPos(this.timeline.place(step), "x", true);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  // Names the places where a curve begins not to be finite.
  drawStrange({ ctx, bbox, valToPos }) {
    ctx.save();
    ctx.font = `bold ${11 * (window.devicePixelRatio || 1)}px "DejaVu Sans", system-ui, sans-serif`;
    ctx.fillStyle = cssColour("error");
    ctx.textAlign = "center";
    for (const line of this.lines.filter((each) => !each.faint)) {
      let before = 0;
      line.values.forEach((value, index) => {
        if (value === null) return;
        if (!Number.isFinite(value) && Number.isFinite(before)) {
          ctx.fillText(Number.isNaN(value) ? "nan" : show(value), valToPos(this.timeline.place(this.steps[index]), "x", true), value < 0 ? bbox.top + bbox.height - 4 : bbox.top + 10);
        }
        before = value;
      });
    }
    ctx.restore();
  }

  close() {
    this.observer.disconnect();
    this.plot?.destroy();
  }
}

function lastOf(values) {
  return values.findLast((value) => value !== null);
}
