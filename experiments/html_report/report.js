
"use strict";
// Reading values off the curves: the page says everything without this.
for (const chart of document.querySelectorAll(".chart")) {
  const picture = chart.querySelector(":scope > svg");
  const [left, right] = [Number(picture.dataset.left), Number(picture.dataset.right)];
  const end = Number(chart.dataset.last);
  const cursor = chart.querySelector(".cursor");
  const outputs = [...chart.querySelectorAll("output")];
  const at = chart.querySelector(".at");
  const last = outputs.map((output) => output.textContent);
  let lines = null;
  picture.addEventListener("pointermove", (event) => {
    lines ??= [...chart.querySelectorAll(".lines path")].map((path) => ({
      steps: path.dataset.steps.split(" ").map(Number),
      values: path.dataset.values.split(" "),
    }));
    const box = picture.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * picture.viewBox.baseVal.width;
    const step = Math.round(Math.min(Math.max((x - left) / (right - left), 0), 1) * end);
    lines.forEach(({ steps, values }, place) => {
      let nearest = 0;
      steps.forEach((each, index) => {
        if (Math.abs(each - step) < Math.abs(steps[nearest] - step)) nearest = index;
      });
      const value = Number(values[nearest]);  // of nan and inf, no number
      outputs[place].textContent = Number.isFinite(value) ? String(Number(value.toPrecision(4))) : values[nearest];
    });
    at.textContent = `near step ${step}`;
    cursor.style.display = "inline";
    cursor.setAttribute("transform", `translate(${left + ((right - left) * step) / end} 0)`);
  });
  picture.addEventListener("pointerleave", () => {
    outputs.forEach((output, place) => { output.textContent = last[place]; });
    at.textContent = "at the end";
    cursor.style.display = "none";
  });
}
// Sorting the table of runs.
for (const table of document.querySelectorAll(".runs")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.order ?? row.cells[column].textContent.trim();
      const compare = (one, other) => {
        const [left, right] = [key(one), key(other)];
        if (left === "" || right === "") return (left === "") - (right === "");
        const numbers = [Number(left), Number(right)];
        return sign * (numbers.some(Number.isNaN) ? left.localeCompare(right) : numbers[0] - numbers[1]);
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    });
  });
}
