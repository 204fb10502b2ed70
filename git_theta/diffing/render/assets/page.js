"use strict";

// The page is whole without this script: it makes tables sortable by their heads, and searchable by what is typed.

function sortKey(row, column) {
  const cell = row.cells[column];
  if (!cell.classList.contains("number")) return cell.textContent;
  return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
}

function compare(one, other) {
  return typeof one === "number" ? one - other : one.localeCompare(other, "en", { numeric: true });
}

function sort(table, column, descending) {
  const body = table.tBodies[0];
  const keyed = [...body.rows].map((row) => [sortKey(row, column), row]);
  keyed.sort(([one], [other]) => {
    if (one === null || other === null) return (one === null) - (other === null); // what has no number comes last
    return descending ? compare(other, one) : compare(one, other);
  });
  body.append(...keyed.map(([, row]) => row));
  for (const [place, head] of [...table.tHead.rows[0].cells].entries()) {
    if (place === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
}

function makeSortable(table) {
  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      // Numbers are wanted largest first.
      sort(table, column, now ? now === "ascending" : head.classList.contains("number"));
    });
    head.append(button);
  }
}

function makeSearchable(table, input, told) {
  const texts = new Map([...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]));
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of texts) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    told.value = words.length ? `${shown} of ${texts.size}` : "";
  });
}

for (const table of document.querySelectorAll("table.sheet")) {
  const search = table.closest("figure").querySelector(".search");
  makeSortable(table);
  makeSearchable(table, search.querySelector("input"), search.querySelector("output"));
  search.hidden = false;
}
