"use strict";
// Sorting, hovering, folding and saving data: all that a page needs beyond its markup, which is complete without it.
document.addEventListener("click", event => {
  const button = event.target.closest("th button");
  if (!button) return;
  const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
  const column = head.cellIndex, down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = row => row.cells[column].dataset.v ?? row.cells[column].textContent;
  const isNumber = value => value !== "" && !isNaN(value);
  const order = (a, b) => isNumber(a) && isNumber(b) ? a - b : isNumber(a) ? -1 : isNumber(b) ? 1 : a.localeCompare(b);
  const rows = [...body.rows].sort((a, b) => (down ? -1 : 1) * order(key(a), key(b)));
  body.append(...rows);
});
const tip = document.getElementById("tip");
document.addEventListener("mouseover", event => {
  const told = event.target.closest("[data-tip]");
  tip.hidden = !told;
  if (told) tip.textContent = told.dataset.tip;
});
document.addEventListener("mousemove", event => {
  if (tip.hidden) return;
  tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = (event.clientY + 18 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 8 : event.clientY + 18) + "px";
});
document.getElementById("fold").addEventListener("click", event => {
  const folds = [...document.querySelectorAll("details.fold")], open = folds.some(fold => !fold.open);
  for (const fold of folds) fold.open = open;
  event.target.textContent = open ? "Close all runs" : "Open all runs";
});
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
document.addEventListener("click", event => {
  if (!event.target.matches("button.save")) return;
  const table = event.target.closest("details, .shown").querySelector("table");
  const lines = [...table.rows].map(row => [...row.cells].map(cell => {
    const text = cell.dataset.v ?? cell.textContent.trim();
    return '"' + (/^[=+@\t\r-]/.test(text) && isNaN(text) ? "'" : "") + text.replaceAll('"', '""') + '"';
  }).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], {type: "text/csv"}));
  link.download = event.target.dataset.name + ".csv";
  link.click();
  URL.revokeObjectURL(link.href);
});
// Paper cannot be unfolded: what is folded is printed open, and folded again afterwards.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details.fold:not([open])")];
  for (const fold of folded) fold.open = true;
});
addEventListener("afterprint", () => { for (const fold of folded) fold.open = false; });
