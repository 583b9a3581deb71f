// TensorBoard around the page: its theme, its address, and its word that the logs were read anew.

const PREFIX = "p.gradvitals.";
const KEYS = ["view", "sweep", "run", "columns", "rows", "cell", "metric", "layer", "step", "along", "unit", "finding"];

const outside = () => {
  try {
    return window.parent.location.hash === undefined ? window : window.parent;
  } catch {
    return window; // framed by a stranger
  }
};
const host = outside();

function pairs() {
  return host.location.hash.slice(1).split("&").filter(Boolean).map((pair) => pair.split("="));
}

const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // an address that somebody cut
  }
};

// Whether the tab is the one that is looked at: the frame lives on behind the others.
export const isShown = () => host === window || !host.location.hash || pairs()[0]?.[0] === "gradvitals";

export function readAddress() {
  const state = {};
  for (const [key, value] of pairs()) {
    const name = decoded(key).slice(PREFIX.length);
    if (decoded(key).startsWith(PREFIX) && KEYS.includes(name) && value !== undefined) state[name] = decoded(value);
  }
  return state;
}

// Writes the state into the address, leaving alone what is TensorBoard's.
export function writeAddress(state, { step }) {
  const others = pairs().filter(([key]) => !decoded(key).startsWith(PREFIX)).map((pair) => pair.join("="));
  const own = KEYS.filter((key) => state[key] !== undefined && state[key] !== null)
    .map((key) => `${PREFIX}${key}=${encodeURIComponent(state[key])}`);
  const hash = `#${[...(others.length || host === window ? others : ["gradvitals"]), ...own].join("&")}`;
  if (hash === host.location.hash || !isShown()) return;
  host.history[step ? "pushState" : "replaceState"](host.history.state, "", hash);
}

export function onAddress(listen) {
  for (const event of ["hashchange", "popstate"]) host.addEventListener(event, listen);
}

export function followTheme(changed) {
  const preference = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const dark = host === window ? preference.matches : host.document.body.classList.contains("dark-mode");
    if (document.documentElement.classList.toggle("dark", dark) !== apply.last) changed();
    apply.last = dark;
  };
  apply.last = undefined;
  preference.addEventListener("change", apply);
  if (host !== window) new MutationObserver(apply).observe(host.document.body, { attributeFilter: ["class"] });
  apply();
}

export function onReload(listen) {
  if (host === window) return;
  const channel = new MessageChannel();
  host.postMessage("experimental.bootstrap", "*", [channel.port2]);
  channel.port1.onmessage = ({ data }) => {
    const { type, id, isReply } = JSON.parse(data);
    if (isReply) return;
    channel.port1.postMessage(JSON.stringify({ type, id, payload: null, error: null, isReply: true }));
    if (type === "experimental.DataReloaded" || type === "experimental.RunsChanged") listen();
  };
}
