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
export function shortName(name) {
  if (name === ".") return "this folder";
  const short = name.split("/").pop().replace(/-[0-9a-f]{6}(?:[0-9a-f]{6})?$/, "");
  return short.includes("=") && !/^seed=\d+$/.test(short) ? short : name.slice(0, name.lastIndexOf("/") + 1) + short;
}
