// Axes, as the server chose them: where a value stands between 0 and 1, and what is written beside it.
import { power } from "./numbers.js";

const FLOOR = 0.12; // share of a logarithmic axis that is left below its decades for zeros
const MOST_TICKS = 5;

export function makeScale({ kind, low, high, floor }) {
  return kind === "log" ? logScale(low, high, floor) : linearScale(low, high);
}

function linearScale(low, high) {
  const place = (value) => (value - low) / (high - low);
  return { kind: "linear", place, ticks: () => roundNumbers(low, high).map((value) => [place(value), String(value)]) };
}

function logScale(low, high, floor) {
  const base = floor ? FLOOR : 0;
  const place = (value) => (value <= 0 ? 0 : base + ((1 - base) * (Math.log10(value) - low)) / (high - low));
  const ticks = () => {
    const step = Math.ceil((high - low) / (MOST_TICKS - 1));
    const found = floor ? [[0, "0"]] : [];
    for (let exponent = low; exponent <= high; exponent += step) found.push([place(10 ** exponent), power(exponent)]);
    return found;
  };
  return { kind: "log", place, ticks };
}

export function roundNumbers(low, high, most = MOST_TICKS) {
  const wanted = (high - low) / (most - 1);
  const decade = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].map((times) => times * decade).find((each) => each >= wanted * (1 - 1e-9));
  const found = [];
  for (let times = Math.ceil(low / step - 1e-9); times * step <= high + step * 1e-9; times += 1) {
    found.push(Number((times * step).toPrecision(4)));
  }
  return found;
}

// Steps from left to right, evenly or by their logarithm, as most happens early. A value holds until the next one was
// measured, so that the last one needs some room.
export function makeTimeline(lastStep, kind) {
  const last = Math.max(lastStep, 1);
  if (kind === "log") return logTimeline(last);
  const end = last + Math.max(last / 50, 1);
  const ticks = () => roundNumbers(0, last, 7).filter(Number.isInteger).map((step) => [step / end, step]);
  return { place: (step) => step / end, stepAt: (place) => place * end, ticks };
}

function logTimeline(last) {
  const whole = Math.log1p(last) * 1.02;
  const place = (step) => Math.log1p(step) / whole;
  const ticks = () => {
    const found = [0];
    for (let decade = 1; decade <= last; decade *= 10) found.push(...[1, 3].map((times) => times * decade).filter((step) => step <= last));
    return found.map((step) => [place(step), step]);
  };
  return { place, stepAt: (at) => Math.expm1(at * whole), ticks };
}
