// A page that is served: it looks again when a run has gone on, and passes on what a person says.
let seen = document.body.dataset.state ?? "";
const said = document.getElementById("said");
async function look() {
  try {
    const state = await (await fetch("/state")).text();
    if (state !== seen) {
      const open = new Set([...document.querySelectorAll("details[open] > summary")].map(each => each.textContent));
      const fresh = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
      document.getElementById("main").replaceWith(fresh.getElementById("main"));
      document.getElementById("live").replaceWith(fresh.getElementById("live"));
      document.querySelector("header > p.soft").replaceWith(fresh.querySelector("header > p.soft"));
      for (const each of document.querySelectorAll("main summary")) if (open.has(each.textContent)) each.parentElement.open = true;
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
