// Submitting: URLs out of text and files, rejects at once, progress as it happens.
import { api, count, listen, notify } from "./app.js";

function show(root, batch) {
  for (const element of root.querySelectorAll("[data-count]")) element.textContent = count(batch[element.dataset.count]);
  let x = 0;
  for (const part of ["done", "failed", "active", "missing"]) {
    const rect = root.querySelector(`rect.${part}`);
    const width = batch.total ? (100 * batch[part]) / batch.total : 0;
    rect.setAttribute("x", x);
    rect.setAttribute("width", width);
    x += width;
  }
  const ended = batch.done + batch.failed + batch.missing;
  const reasons = Object.entries(batch.failures).map(([code, many]) => `${count(many)} ${code}`).join(", ");
  root.querySelector("[data-summary]").textContent =
    `${count(ended)} of ${count(batch.total)} pages ended` +
    (batch.missing ? `, ${count(batch.missing)} removed from the queue` : "") +
    (reasons ? `; failed: ${reasons}.` : ".") + (batch.finished ? " All done." : "");
  root.dataset.finished = batch.finished;
}

function follow(root, batchId) {
  const source = listen(`/api/events?batch=${encodeURIComponent(batchId)}`, {
    batch(batch) {
      show(root, batch);
      if (batch.finished) source.close();
    },
  });
}

for (const root of document.querySelectorAll(".progress")) if (root.dataset.batch) follow(root, root.dataset.batch);

const form = document.getElementById("submit");
if (form) {
  const urls = document.getElementById("urls");
  const counted = document.getElementById("counted");
  const drop = document.getElementById("drop");
  const file = document.getElementById("file");
  const force = document.getElementById("force");
  const most = Number(form.dataset.max);

  const lines = () => urls.value.split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
  const recount = () => {
    const many = lines().length;
    counted.textContent = many ? `${count(many)} URL${many === 1 ? "" : "s"}` + (many > most ? `; at most ${count(most)} at once` : "") : "Paste URLs, or drop a text or CSV file here.";
    counted.classList.toggle("bad", many > most);
  };
  /** Every http(s) URL in a file of any shape; a plain list stays as it is, so that bad lines are told. */
  const take = async (given) => {
    const text = await given.text();
    const list = /[,;\t{"]/.test(text.slice(0, 2000)) ? text.match(/https?:\/\/[^\s",;<>{}]+/g) || [] : text.split(/\r?\n/);
    urls.value = [...lines(), ...list.map((line) => line.trim()).filter(Boolean)].join("\n");
    recount();
  };

  urls.addEventListener("input", recount);
  document.getElementById("choose").addEventListener("click", () => file.click());
  file.addEventListener("change", () => { for (const one of file.files) take(one); file.value = ""; });
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") {
        for (const one of event.dataTransfer.files) take(one);
        const text = event.dataTransfer.getData("text/uri-list") || event.dataTransfer.getData("text/plain");
        if (text) { urls.value = [...lines(), text].join("\n"); recount(); }
      }
    });
  }
  urls.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  const key = () => crypto.randomUUID?.() || String(Math.random()).slice(2) + Date.now();
  let pendingKey = key();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const list = lines();
    if (!list.length) { urls.focus(); return; }
    const send = document.getElementById("send");
    send.disabled = true;
    try {
      // The key stays the same until an answer came, so that pressing again after an error submits once.
      const answer = await api("POST", "/api/media/ingest", { urls: list, force: force.checked }, { "Idempotency-Key": pendingKey });
      pendingKey = key();
      result(answer);
      urls.value = "";
      recount();
    } catch (error) {
      if (error.problem) pendingKey = key();
      notify(error.message);
    } finally {
      send.disabled = false;
    }
  });
}

function result(answer) {
  const outcome = document.getElementById("outcome");
  outcome.hidden = false;
  document.getElementById("outcome-title").textContent =
    `${count(answer.queued)} page${answer.queued === 1 ? "" : "s"} queued` +
    (answer.duplicates ? `, ${count(answer.duplicates)} already there` : "");
  document.getElementById("outcome-batch").href = `/batches/${encodeURIComponent(answer.batch_id)}`;
  document.getElementById("outcome-media").href = `/?batch_id=${encodeURIComponent(answer.batch_id)}`;
  const rejects = document.getElementById("rejects");
  rejects.hidden = !answer.rejected.length;
  document.getElementById("rejects-count").textContent = count(answer.rejected.length);
  document.getElementById("rejects-rows").replaceChildren(...answer.rejected.slice(0, 500).map(({ url, reason }) => {
    const row = document.createElement("tr");
    for (const text of [url, reason]) {
      const cell = document.createElement("td");
      cell.className = "url";
      cell.textContent = text;
      row.append(cell);
    }
    return row;
  }));
  const root = outcome.querySelector(".progress");
  follow(root, answer.batch_id);
  outcome.focus();
}
