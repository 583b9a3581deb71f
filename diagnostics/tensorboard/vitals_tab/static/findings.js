// Findings in words: the root first, what it explains under it, the evidence, what to try and what became of that.
import { el, patch, withCode } from "./dom.js";
import { count } from "./numbers.js";

const OUTCOMES = { untested: "not tried yet", confirmed: "confirmed by trial", refuted: "refuted by trial" };

function heading(finding, go) {
  return el("h3", {}, patch(finding), " ", el("b", { class: finding.severity }, finding.severity), " ", el("bdi", { class: "key" }, finding.key),
    el("span", { class: "quiet" }, ` since step ${count(finding.since)} `),
    el("button", { type: "button", class: "link anchor", title: "Put this finding into the address", "aria-label": `Put ${finding.key} into the address`, onclick: () => go({ finding: finding.key }) }, "#"));
}

function cures(finding) {
  if (!finding.cures.length) return "";
  return el("ul", { class: "cures" }, finding.cures.map((cure) => el("li", {}, ...withCode(cure.text), " ", el("span", { class: `outcome ${cure.outcome}` }, OUTCOMES[cure.outcome]))));
}

const labelled = (label, text) => (text ? el("p", {}, el("b", {}, `${label}: `), ...withCode(text)) : "");

function root(finding, go) {
  return el("article", { class: `finding of-${finding.severity}`, "data-key": finding.key },
    heading(finding, go),
    el("p", {}, ...withCode(finding.evidence)),
    el("p", { class: "quiet" }, finding.explanation),
    labelled("Wrong", finding.wrong), labelled("Costs", finding.costs), cures(finding),
    finding.explains.length ? el("div", { class: "explains" }, el("p", { class: "quiet" }, "It explains:"), finding.explains.map((each) => el("div", { class: "explained", "data-key": each.key }, heading(each, go), el("p", {}, ...withCode(each.evidence))))) : "");
}

export class FindingsView {
  constructor(go) {
    this.go = go;
    this.element = el("main", { class: "findings-view" });
  }

  show(run) {
    const { roots, asides } = run.findings;
    const opened = [...this.element.querySelectorAll("details[open]")].map((each) => each.dataset.of);
    this.element.replaceChildren(
      roots.length ? "" : el("p", { class: "notice" }, nothing(run)),
      ...roots.map((each) => root(each, this.go)),
      ...Object.entries(asides).map(([word, lines]) => el("details", { "data-of": word, open: opened.includes(word) }, el("summary", {}, `${lines.length} ${word}`), el("ul", {}, lines.map((line) => el("li", {}, ...withCode(line)))))));
  }
}

export function nothing(run) {
  if (!run.recorded) return run.status === "running" ? "Nothing was judged so far: the first verdict comes a few seconds into the training." : "No verdict was recorded.";
  if (run.verdict === "not_judged") return "No warning and no error, but too little was recorded to call the run healthy.";
  return "No warning and no error.";
}

// The same in brief, beside the heat maps; a click leads to the words.
export function findingsInBrief(run, open) {
  const line = (finding, depth) => el("button", { type: "button", class: `brief depth-${depth}`, onclick: () => open(finding), title: finding.evidence },
    patch(finding), el("span", {}, el("bdi", { class: "key" }, finding.key), el("span", { class: "quiet" }, `${finding.severity} since step ${count(finding.since)}`)));
  const { roots } = run.findings;
  return el("section", { class: "in-brief" }, el("h2", {}, "Findings"),
    roots.length ? roots.flatMap((finding) => [line(finding, 0), ...finding.explains.map((each) => line(each, 1))]) : el("p", { class: "quiet" }, nothing(run)),
    roots.length ? el("p", { class: "quiet" }, withCode(roots[0].evidence)) : "");
}
