// A page that is served: it looks again when a run has gone on, and passes on what a person says.
let seen = document.body.dataset.state ?? "";
const said = document.getElementById("said");
// What opens and closes, by name: its title, within the run that holds it.
function folds() {
  return [...document.querySelectorAll("main details")].map(each => {
    const run = each.closest("details.fold") ?? document, title = fold => fold.querySelector("summary")?.textContent;
    return [`${title(run)} ${title(each)} ${[...run.querySelectorAll("details")].indexOf(each)}`, each];
  });
}
async function look() {
  try {
    const state = await (await fetch("/state")).text();
    if (state !== seen) {
      const left = new Map(folds().map(([name, fold]) => [name, fold.open]));
      const fresh = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
      document.getElementById("main").replaceWith(fresh.getElementById("main"));
      document.getElementById("live").replaceWith(fresh.getElementById("live"));
      document.querySelector("header > p.soft").replaceWith(fresh.querySelector("header > p.soft"));
      for (const [name, fold] of folds()) fold.open = left.get(name) ?? fold.open;
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
