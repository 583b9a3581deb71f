// A heat map: layers down, steps across. A value holds until the next one of its layer was measured.
import { STRANGE, colourOf, ramp, zeroColour } from "./colours.js";
import { el, patch } from "./dom.js";
import { count, show } from "./numbers.js";
import { makeScale } from "./scales.js";

const GAP = 1;

const LONGEST = 17; // letters of a layer's name that there is room for

// Names of layers beside a map: of long ones without what they have in common at their start and their end.
function shortened(layers) {
  const names = layers.filter((layer) => layer !== "global");
  const shared = (parts) => {
    const least = Math.min(...parts.map((each) => each.length)) - 1;
    let count = 0;
    while (count < least && parts.every((each) => each[count] === parts[0][count])) count += 1;
    return count;
  };
  const parts = names.map((name) => name.split("."));
  const [start, end] = names.length > 1 && names.some((name) => name.length > LONGEST)
    ? [shared(parts), shared(parts.map((each) => [...each].reverse()))] : [0, 0];
  return layers.map((layer) => {
    if (layer === "global") return "all layers";
    const each = layer.split(".");
    const middle = each.slice(start, Math.max(each.length - end, start + 1)).join(".");
    return `${start ? "…" : ""}${middle}${end ? "…" : ""}`;
  });
}

export class HeatMap {
  // `on` has: hover(step or null), select(metric, layer, step).
  constructor(data, timeline, marks, on) {
    Object.assign(this, { data, timeline, marks, on });
    this.scale = makeScale(data.scale);
    this.rowHeight = Math.min(24, Math.max(7, Math.floor(240 / data.layers.length)));
    this.known = data.values.map((row) => row.map((value, place) => (value === null ? -1 : place)));
    this.known.forEach((row) => row.forEach((place, index) => { if (place < 0 && index) row[index] = row[index - 1]; }));
    this.at = { row: 0, column: data.steps.length - 1 };
    this.build();
  }

  build() {
    const { data, rowHeight } = this;
    const height = data.layers.length * rowHeight;
    this.canvas = el("canvas", {
      class: "heat-canvas", tabindex: "0", role: "img",
      "aria-label": `${data.title}, ${data.layers.length} layers by ${data.steps.length} steps; arrow keys read values, Enter opens the layer`,
      style: { height: `${height}px` },
      onpointermove: (event) => this.point(event),
      onpointerleave: () => this.leave(),
      onclick: (event) => { this.point(event); this.choose(); },
      onkeydown: (event) => this.key(event),
      onblur: () => this.leave(),
    });
    this.line = el("div", { class: "heat-line", hidden: true });
    this.box = el("div", { class: "heat-box", hidden: true });
    this.tip = el("output", { class: "tip", hidden: true });
    this.field = el("div", { class: "heat-field" }, this.canvas, this.lines(), this.line, this.box, this.tip);
    this.element = el("section", { class: "heat", "data-metric": data.metric },
      el("h3", {}, data.title, el("span", { class: "quiet meaning" }, data.meaning), this.legend = el("span", { class: "heat-legend" })),
      el("div", { class: "heat-body" }, this.names(), this.field));
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.canvas);
  }

  names() {
    const every = Math.ceil(13 / this.rowHeight);
    const short = shortened(this.data.layers);
    return el("div", { class: "heat-names", "aria-hidden": "true" }, this.data.layers.map((layer, row) => {
      const signs = this.marks.filter((mark) => mark.layer === layer).slice(0, 2);
      const shown = row % every === 0 && (row === 0 || row + every <= this.data.layers.length);
      return el("div", { class: "heat-name", title: layer, style: { height: `${this.rowHeight}px`, lineHeight: `${Math.max(this.rowHeight, 13)}px` } },
        shown || signs.length ? [el("bdi", {}, short[row]), signs.map((sign) => patch(sign, "tiny"))] : "");
    }));
  }

  lines() {
    const steps = [...new Set(this.marks.map((mark) => mark.since))];
    return steps.map((step) => el("div", { class: "mark-line", style: { left: `${100 * this.timeline.place(step)}%` } }));
  }

  draw() {
    const { canvas, data, rowHeight } = this;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.width = width;
    canvas.height = Math.round(data.layers.length * rowHeight * ratio);
    const colours = ramp(data.metric, this.scale);
    const paint = canvas.getContext("2d");
    const columns = this.columns(width);
    const tall = rowHeight * ratio;
    data.values.forEach((values, row) => {
      let before = 0;
      for (const { from, to, places } of columns) {
        const value = this.worst(row, places);
        const colour = colourOf(value, this.scale, colours);
        if (colour !== null) {
          paint.fillStyle = colour;
          paint.fillRect(from, row * tall, to - from, tall - (rowHeight > 10 ? GAP : 0));
        }
        const strange = value !== null && !Number.isFinite(value);
        if (strange && Number.isFinite(before) && rowHeight >= 12) {
          paint.fillStyle = "#ffffff";
          paint.font = `${Math.round(11 * ratio)}px "DejaVu Sans", system-ui, sans-serif`;
          paint.textBaseline = "middle";
          paint.fillText(Number.isNaN(value) ? "×" : show(value), from + 2 * ratio, (row + 0.5) * tall);
        }
        before = strange ? value : 0;
      }
    });
    this.drawLegend(colours);
    this.place(this.selected);
  }

  // Stretches of pixels, each with the measurements that fall into it.
  columns(width) {
    const found = [];
    this.data.steps.forEach((step, place) => {
      const from = Math.floor(this.timeline.place(step) * width);
      const last = found[found.length - 1];
      if (last && last.from === from) last.places.push(place);
      else found.push({ from, to: width, places: [place] });
      if (last && last.from !== from) last.to = from;
    });
    return found;
  }

  // Of several measurements in one pixel the one that must not be missed: not finite, or the most extreme.
  worst(row, places) {
    const values = places.map((place) => this.value(row, place)).filter((value) => value !== null);
    if (!values.length) return null;
    const strange = values.find((value) => !Number.isFinite(value));
    if (strange !== undefined) return strange;
    return this.data.metric === "sigmoid_slope" ? Math.min(...values) : Math.max(...values);
  }

  value(row, column) {
    const place = this.known[row][column];
    return place < 0 ? null : this.data.values[row][place];
  }

  drawLegend(colours) {
    const { scale } = this.data;
    const ticks = this.scale.ticks().filter(([, text]) => text !== "0");
    const ends = this.scale.kind === "log" ? [ticks[0], ticks[ticks.length - 1]] : [[0, show(scale.low)], [1, show(scale.high)]];
    const [[low, lowText], [high, highText]] = ends;
    const stops = Array.from({ length: 11 }, (_, place) => colours(low + ((high - low) * place) / 10));
    const all = this.data.values.flat();
    this.legend.replaceChildren(
      all.includes(0) && this.scale.kind === "log" ? el("span", { class: "key" }, el("i", { style: { background: zeroColour() } }), "0") : "",
      el("span", { class: "key" }, lowText, el("i", { class: "ramp", style: { background: `linear-gradient(to right, ${stops.join(",")})` } }), highText),
      all.some((value) => value !== null && !Number.isFinite(value)) ? el("span", { class: "key" }, el("i", { style: { background: STRANGE } }), "not finite") : "",
    );
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const step = this.timeline.stepAt((event.clientX - box.left) / box.width);
    const row = Math.floor((event.clientY - box.top) / this.rowHeight);
    const { steps, layers } = this.data;
    let column = steps.findIndex((each) => each > step) - 1;
    if (column === -2) column = steps.length - 1;
    this.hover(Math.min(Math.max(row, 0), layers.length - 1), Math.max(column, 0));
  }

  hover(row, column) {
    this.at = { row, column };
    const place = Math.max(this.known[row][column], 0);
    const value = this.value(row, column);
    const step = this.data.steps[place];
    this.tip.dataset.value = String(value);
    this.tip.dataset.step = String(step);
    this.tip.dataset.layer = this.data.layers[row];
    this.tip.replaceChildren(el("b", {}, el("bdi", {}, this.data.layers[row])), ` · step ${count(step)}`, el("br"), `${this.data.title}: ${value === null ? "not measured" : show(value)}`);
    this.tip.hidden = false;
    const left = this.timeline.place(this.data.steps[column]);
    Object.assign(this.tip.style, { left: left < 0.5 ? `${100 * left}%` : "auto", right: left < 0.5 ? "auto" : `${100 * (1 - left)}%`, top: `${(row + 1) * this.rowHeight + 4}px` });
    this.on.hover(this.data.steps[column]);
  }

  leave() {
    this.tip.hidden = true;
    this.on.hover(null);
  }

  key(event) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -1e9], End: [0, 1e9] };
    const move = moves[event.key];
    if (event.key === "Enter" || event.key === " ") this.choose();
    else if (event.key === "Escape") this.leave();
    else if (move) {
      const limit = (value, most) => Math.min(Math.max(value, 0), most);
      this.hover(limit(this.at.row + move[0], this.data.layers.length - 1), limit(this.at.column + move[1], this.data.steps.length - 1));
    } else return;
    event.preventDefault();
  }

  choose() {
    this.on.select(this.data.metric, this.data.layers[this.at.row], this.data.steps[this.at.column]);
  }

  cross(step) {
    this.line.hidden = step === null;
    if (step !== null) this.line.style.left = `${100 * this.timeline.place(step)}%`;
  }

  // Frames the chosen cell; null for none.
  place(selected) {
    this.selected = selected;
    const row = selected && selected.metric === this.data.metric ? this.data.layers.indexOf(selected.layer) : -1;
    this.box.hidden = row < 0;
    if (row < 0) return;
    Object.assign(this.box.style, { left: `${100 * this.timeline.place(selected.step)}%`, top: `${row * this.rowHeight}px`, height: `${this.rowHeight}px` });
  }

  // Who reads it, and where: taken before the map is replaced as more was recorded, and given to the one in its place.
  reader() {
    return { metric: this.data.metric, at: this.at, reads: !this.tip.hidden, focused: this.canvas === document.activeElement };
  }

  goOn({ at, reads, focused }) {
    if (focused) this.canvas.focus({ preventScroll: true });
    if (reads) this.hover(Math.min(at.row, this.data.layers.length - 1), Math.min(at.column, this.data.steps.length - 1));
  }

  close() {
    this.observer.disconnect();
  }
}
