// A page that is served: it looks again when a run has gone on, and passes on what a person says.
let seen = document.body.dataset.state ?? "";
const said = document.getElementById("said");
// What opens and closes, by name: its chapter, run and figure, and its place among the steps of the run.
function folds() {
  return [...document.querySelectorAll("main details")].map(each => {
    const run = each.closest("details.fold"), place = run ? [...run.querySelectorAll("details")].indexOf(each) : 0;
    return [[each.closest("section").id, run?.dataset.of, each.closest("figure")?.id, place].join(), each];
  });
}
// The form of a run that goes on stays: somebody may be typing in it.
function renewForms(live, fresh) {
  const next = new Map([...fresh.querySelectorAll("form")].map(form => [form.dataset.run, form]));
  for (const form of live.querySelectorAll("form")) {
    const other = next.get(form.dataset.run);
    if (!other) { form.remove(); continue; }
    form.querySelector(".count").textContent = other.querySelector(".count").textContent;
    next.delete(form.dataset.run);
  }
  live.querySelector("p")?.remove();
  live.append(...next.values(), ...fresh.querySelectorAll("p"));
}
// Folds, sorted columns and the focus are as they were.
function renewReport(main, fresh) {
  const left = new Map(folds().map(([name, fold]) => [name, fold.open]));
  const heads = [...main.querySelectorAll("th[aria-sort]")].map(head => [
    head.closest("table").caption.textContent, head.cellIndex, head.getAttribute("aria-sort") === "descending" ? 2 : 1]);
  const name = part => [part.closest("section")?.id, part.closest("details.fold")?.dataset.of,
    part.closest("table")?.caption.textContent ?? part.closest("figure")?.id, part.ariaLabel ?? part.textContent].join();
  const focused = main.contains(document.activeElement) ? name(document.activeElement) : "";
  main.replaceWith(fresh);
  for (const [name, fold] of folds()) fold.open = left.get(name) ?? fold.open;
  for (const table of fresh.querySelectorAll("table"))
    for (const [caption, column, clicks] of heads)
      if (table.caption.textContent === caption)
        for (let i = 0; i < clicks; i++) table.tHead.rows[table.tHead.rows.length - 1].cells[column].querySelector("button").click();
  if (focused) [...fresh.querySelectorAll("summary, button, [tabindex]")].find(part => name(part) === focused)?.focus({preventScroll: true});
}
async function look() {
  try {
    const state = await (await fetch("/state")).text();
    if (state !== seen) {
      const fresh = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
      renewReport(document.getElementById("main"), fresh.getElementById("main"));
      renewForms(document.getElementById("live"), fresh.getElementById("live"));
      document.querySelector("header > p.soft").replaceWith(fresh.querySelector("header > p.soft"));
      seen = state;
    }
  } catch { said.textContent = "The server has ended: the page stands as it was."; return; }
  setTimeout(look, 1500);
}
setTimeout(look, 1500);
document.addEventListener("submit", async event => {
  event.preventDefault();
  const form = event.target, what = event.submitter.value, fields = new FormData(form);
  const word = {run: form.dataset.run};
  if (what === "stop") word.stop = true;
  if (what === "iterations") word.iterations = Number(fields.get("iterations"));
  if (what === "note") word.note = fields.get("note");
  const headers = {"Content-Type": "application/json", "X-Token": document.getElementById("live").dataset.token};
  const answer = await fetch("/say", {method: "POST", headers, body: JSON.stringify(word)});
  said.textContent = await answer.text();
  if (answer.ok && what === "note") form.reset();
});
