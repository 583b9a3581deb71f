// A histogram as bars whose area is the share of the values.
import { el } from "./dom.js";
import { show } from "./numbers.js";

const [WIDTH, HEIGHT] = [320, 64];
const SVG = "http://www.w3.org/2000/svg";

function svg(tag, properties) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, String(value));
  return element;
}

export function histogramBars({ lefts, rights, counts }, label, range = null) {
  if (!counts.length) return el("p", { class: "quiet" }, "no finite value");
  const [low, high] = range ?? [Math.min(...lefts), Math.max(...rights)];
  const span = high > low ? high - low : 1;
  const x = (value) => (high > low ? ((value - low) / span) * WIDTH : WIDTH / 2);
  const narrowest = span / WIDTH;
  const heights = counts.map((each, bin) => each / Math.max(rights[bin] - lefts[bin], narrowest));
  const tallest = Math.max(...heights, 1e-300);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "bars", role: "img", "aria-label": label });
  counts.forEach((each, bin) => {
    if (!each) return;
    const width = Math.max(x(rights[bin]) - x(lefts[bin]), 1.5);
    const tall = Math.max((heights[bin] / tallest) * (HEIGHT - 2), 1);
    picture.append(svg("rect", { x: x(lefts[bin]), y: HEIGHT - tall, width, height: tall, class: "bar" }));
  });
  if (low < 0 && high > 0) picture.append(svg("line", { x1: x(0), x2: x(0), y1: 0, y2: HEIGHT, class: "zero" }));
  const total = counts.reduce((sum, each) => sum + each, 0);
  const zero = low < 0 && high > 0 ? el("span", { style: { position: "absolute", left: `${(100 * x(0)) / WIDTH}%`, transform: "translateX(-50%)" } }, "0") : "";
  return el("div", { class: "histogram" }, picture,
    el("div", { class: "bars-axis quiet" }, el("span", {}, show(low)), zero, el("span", {}, show(high))),
    el("span", { class: "sr" }, `${total} values`));
}
