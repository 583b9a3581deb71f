// A table of runs; a click opens one.
import { el, folderOf, patch, shortName, words } from "./dom.js";
import { ago, count, show } from "./numbers.js";

export function runTable(runs, open) {
  const folders = new Set(runs.map((run) => run.sweep)).size > 1;
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.scores)))].sort();
  const row = (run) => el("tr", {},
    el("td", { class: "whole" }, el("span", { class: run.verdict }, `${run.sign} ${words(run.verdict)}`)),
    el("td", { class: "whole" }, patch(run.look), " ", run.look.name),
    el("td", {}, el("button", { class: "link", type: "button", onclick: () => open(run), title: run.name }, el("bdi", {}, shortName(run.name))), folderOf(run, folders)),
    names.map((name) => el("td", { class: "number", title: run.scored_on && name in run.scores ? `on ${run.scored_on}, at the last look` : null }, show(run.scores[name]), run.scored_on && name in run.scores ? "*" : "")),
    el("td", { class: "number" }, count(run.step)),
    el("td", {}, run.status === "running" ? `no end yet, last written ${ago(run.time)}` : words(run.status)));
  return el("div", { class: "wide" }, el("table", { class: "runs" },
    el("thead", {}, el("tr", {}, ["Verdict", "Root", "Run"].map((head) => el("th", {}, head)), [...names.map((name) => `${name[0].toUpperCase()}${name.slice(1)}`), "Steps"].map((head) => el("th", { class: "number" }, head)), el("th", {}, "Status"))),
    el("tbody", {}, runs.map(row))),
  runs.some((run) => run.scored_on) ? el("p", { class: "quiet" }, "* on a sample of the training set at the last look: these trainings tell of no epochs.") : "");
}
