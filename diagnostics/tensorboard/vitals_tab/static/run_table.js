// A table of runs; a click opens one.
import { el, patch, shortName, words } from "./dom.js";
import { ago, count, show } from "./numbers.js";

export function runTable(runs, open) {
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.scores)))].sort();
  const row = (run) => el("tr", {},
    el("td", {}, el("span", { class: run.verdict }, `${run.sign} ${words(run.verdict)}`)),
    el("td", {}, patch(run.look), " ", run.look.name),
    el("td", {}, el("button", { class: "link", type: "button", onclick: () => open(run), title: run.name }, el("bdi", {}, shortName(run.name)))),
    names.map((name) => el("td", { class: "number" }, show(run.scores[name]))),
    el("td", { class: "number" }, count(run.step)),
    el("td", {}, run.status === "running" ? `no end yet, last written ${ago(run.time)}` : words(run.status)));
  return el("div", { class: "wide" }, el("table", { class: "runs" },
    el("thead", {}, el("tr", {}, ["Verdict", "Root", "Run", ...names.map((name) => `${name[0].toUpperCase()}${name.slice(1)}`), "Steps", "Status"].map((head) => el("th", {}, head)))),
    el("tbody", {}, runs.map(row))));
}
