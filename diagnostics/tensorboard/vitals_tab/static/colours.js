// Colours of heat maps. Norms and ratios go from dark to bright; shares of sick units from the paper's colour to red.

const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const SICK = {
  light: ["#e9edf1", "#f7dcc0", "#f3b27a", "#e2793f", "#bd4420", "#7f1d10"],
  dark: ["#2a323c", "#553b2f", "#8a4a2c", "#c4622f", "#ee8f4f", "#ffd0a0"],
};
export const STRANGE = "#d81b7a"; // not a number, or infinite

const channels = (colour) => [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
const hex = (parts) => `#${parts.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;

function between(stops, place) {
  const at = Math.min(Math.max(place, 0), 1) * (stops.length - 1);
  const below = Math.min(Math.floor(at), stops.length - 2);
  const [left, right] = [channels(stops[below]), channels(stops[below + 1])];
  return hex(left.map((part, index) => part + (right[index] - part) * (at - below)));
}

export const isDark = () => document.documentElement.classList.contains("dark");
export const zeroColour = () => (isDark() ? "#4d5763" : "#c3cad2");

// The colour of a place on a metric's scale. A small slope is the sick one.
export function ramp(metric, scale) {
  if (scale.kind === "log") return (place) => between(VIRIDIS, place);
  const sick = SICK[isDark() ? "dark" : "light"];
  return metric === "sigmoid_slope" ? (place) => between(sick, 1 - place) : (place) => between(sick, place);
}

export function colourOf(value, scale, colours) {
  if (value === null || value === undefined) return null;
  if (!Number.isFinite(value)) return STRANGE;
  return scale.kind === "log" && value <= 0 ? zeroColour() : colours(scale.place(value));
}

export const cssColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
