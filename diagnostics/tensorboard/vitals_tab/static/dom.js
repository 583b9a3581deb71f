// Elements of the page. Names of runs, tags and layers are anybody's text, so text never becomes markup.

export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

// Sets what stands between backticks as code.
export function withCode(text) {
  const pieces = text.split("`");
  if (pieces.length % 2 === 0) return [text];
  return pieces.map((piece, place) => (place % 2 ? el("code", {}, piece) : piece));
}

export function patch(look, extra = "") {
  return el("span", { class: `patch ${extra}`, style: { background: look.colour, color: look.ink }, "aria-hidden": "true" }, look.symbol);
}

export const words = (text) => text.replaceAll("_", " ");

// A run's name without the hash of its config, and without its folders where the rest says what it is.
// Only names with settings have a hash: at the end of others stands a date as well.
export function shortName(name) {
  if (name === ".") return "this folder";
  const own = name.split("/").pop();
  const short = own.includes("=") ? own.replace(/-[0-9a-f]{6}(?:[0-9a-f]{6})?$/, "") : own;
  return short.includes("=") && !/^seed=\d+$/.test(short) ? short : name.slice(0, name.lastIndexOf("/") + 1) + short;
}

// Where a run is, for lists of runs from several folders; names that have their folders in them need no more.
export function folderOf(run, several) {
  const told = shortName(run.name).startsWith(`${run.sweep}/`);
  return several && run.sweep && !told ? el("span", { class: "quiet" }, " ", el("bdi", {}, run.sweep)) : "";
}
