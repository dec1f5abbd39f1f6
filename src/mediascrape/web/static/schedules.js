// Schedules: adding pages, removing what is listed, and following the next runs.
import { api, count, notify } from "./app.js";

const REFRESH_MS = 15000;
const show = () => htmx.ajax("GET", "/schedules", { target: "#schedules", swap: "outerHTML" });

const form = document.getElementById("schedule");
if (form) {
  const field = (id) => document.getElementById(id);
  const how = () => form.querySelector('[name="how"]:checked').value;
  const choose = () => { for (const part of form.querySelectorAll("[data-how]")) part.hidden = part.dataset.how !== how(); };
  const refuse = (text) => { field("refused").textContent = text; field("refused").hidden = !text; };

  field("tz").value = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  form.addEventListener("change", choose);
  choose(); // a browser may have kept what was chosen before
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const urls = field("urls").value.split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
    if (!urls.length) { field("urls").focus(); return; }
    const when = how() === "every" ? { every: field("every").value.trim() } : { cron: field("cron").value.trim(), tz: field("tz").value.trim() || null };
    field("add").disabled = true;
    try {
      const answer = await api("POST", "/api/schedules", { urls, ...when });
      const many = answer.schedules.length;
      if (many) notify(`${count(many)} page${many === 1 ? "" : "s"} scheduled.`);
      field("urls").value = answer.rejected.map((one) => one.url).join("\n");
      refuse(answer.rejected.map((one) => `${one.url}: ${one.reason}`).join("; "));
      show();
    } catch (error) {
      refuse(error.message);
    } finally {
      field("add").disabled = false;
    }
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-unschedule]");
  if (!button) return;
  button.disabled = true;
  try {
    await api("DELETE", `/api/schedules/${encodeURIComponent(button.dataset.unschedule)}`);
    notify("Removed.");
    await show();
    document.getElementById("schedules").focus(); // the button that had the focus is gone
  } catch (error) {
    button.disabled = false;
    notify(error.message);
  }
});

/** The next runs move on; nothing is exchanged under somebody's fingers, nor on a later page. */
setInterval(() => {
  const list = document.getElementById("schedules");
  if (!document.hidden && !list.contains(document.activeElement) && !location.search) show();
}, REFRESH_MS);
