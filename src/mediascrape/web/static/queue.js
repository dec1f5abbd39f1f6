// The dashboard: live counts and charts, and what can be done to jobs.
import { api, count, listen, notify } from "./app.js";

const MB = 1024 * 1024;
/** Columns of a sample: at, done/s, failed/s, p50, p95, waiting, in flight, limit, memory. */
const CHARTS = {
  rate: { columns: [1, 2], labels: ["done", "failed"], colors: ["--accent", "--bad"], least: 1, unit: (v) => (Number.isInteger(v) ? count(v) : v.toFixed(v < 10 ? 1 : 0)) },
  duration: { columns: [3, 4], labels: ["median", "95th percentile"], colors: ["--accent", "--warn"], least: 100, unit: (v) => (v < 1000 ? `${Math.round(v)} ms` : `${(v / 1000).toFixed(1)} s`) },
  flight: { columns: [6, 7], labels: ["in flight", "limit"], colors: ["--accent", "--muted"], least: 4, unit: (v) => (Number.isInteger(v) ? count(v) : "") },
  memory: { columns: [8], labels: ["resident"], colors: ["--accent"], least: 64 * MB, unit: (v) => `${Math.round(v / MB)} MB`, steps: [16, 32, 64, 128, 256, 512, 1024, 2048, 4096].map((size) => size * MB) },
};

const clock = (at, step) => new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: step < 60 ? "2-digit" : undefined, hourCycle: "h23" });

const figures = [...document.querySelectorAll("[data-chart]")];
let samples = [];
let plots = [];

function draw() {
  const style = getComputedStyle(document.documentElement);
  const probe = document.createElement("span");
  document.body.append(probe);
  const color = (name) => { probe.style.color = `var(${name})`; return getComputedStyle(probe).color; };
  for (const { plot } of plots) plot.destroy();
  plots = figures.map((figure) => {
    const chart = CHARTS[figure.dataset.chart];
    const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
    const plot = new uPlot({
      width: figure.clientWidth || 300,
      height: 170,
      cursor: { y: false },
      legend: { live: false },
      scales: { y: { range: (_, low, high) => [0, Math.max(high * 1.15, chart.least)] } },
      axes: [{ ...axis, space: 80, size: 30, values: (_, ticks, _index, _space, step) => ticks.map((tick) => clock(tick, step)) }, { ...axis, size: 62, incrs: chart.steps, values: (_, ticks) => ticks.map((tick) => chart.unit(tick)) }],
      series: [{ value: (_, at) => (at == null ? "" : new Date(at * 1000).toLocaleTimeString()) }, ...chart.columns.map((_, index) => ({
        label: chart.labels[index],
        stroke: color(chart.colors[index]),
        width: 2,
        points: { show: false },
        spanGaps: true,
        fill: index === 0 ? color("--accent-soft") : undefined,
        value: (_, value) => (value == null ? "–" : chart.unit(value)),
      }))],
    }, data(chart), figure);
    return { plot, chart, figure };
  });
  probe.remove();
}

const data = (chart) => [samples.map((row) => row[0]), ...chart.columns.map((column) => samples.map((row) => row[column]))];

async function charts() {
  samples = await (await fetch("/queue/history")).json();
  draw();
  new ResizeObserver(() => { for (const { plot, figure } of plots) plot.setSize({ width: figure.clientWidth, height: 170 }); }).observe(figures[0]);
  addEventListener("themechange", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

function update(state) {
  for (const element of document.querySelectorAll("[data-state]")) {
    if (element.dataset.state in state.counts && element.tagName === "B") element.textContent = count(state.counts[element.dataset.state]);
  }
  document.querySelector('[data-total="done"]').textContent = count(state.totals.scrapes.ok || 0);
  document.getElementById("paused").hidden = !state.paused;
  const pause = document.getElementById("pause");
  if (pause) { pause.hidden = state.paused; document.getElementById("resume").hidden = !state.paused; }
  const trouble = document.getElementById("trouble");
  trouble.hidden = !state.error;
  trouble.textContent = state.error || "";
  if (state.sample && state.sample[0] !== samples.at(-1)?.[0]) {
    samples.push(state.sample);
    if (samples.length > 1800) samples.shift();
    for (const { plot, chart } of plots) plot.setData(data(chart));
  }
  if (state.recent.length) fill("recent", state.recent.map(endedRow));
  fill("workers", state.workers.map(workerRow), [...document.querySelectorAll("#workers [data-foreign]")]);
  fill("hosts", state.hosts.map(hostRow));
  document.getElementById("hosts-table").hidden = !state.hosts.length;
  refresh(state.counts);
}

/** Rows of a table (unless the keyboard is in it), and the sentence that stands there when it has none. */
function fill(id, rows, kept = []) {
  const body = document.getElementById(id);
  if (body.contains(document.activeElement)) return;
  body.replaceChildren(...rows, ...kept);
  const none = document.getElementById(`no-${id}`);
  if (none) none.hidden = rows.length + kept.length > 0;
}

/** Cells are text or elements, never markup. A class ends in `:unit` where narrow screens show one. */
function row(cells, classes) {
  const tr = document.createElement("tr");
  cells.forEach((content, index) => {
    const td = document.createElement("td");
    const [name, unit] = (classes[index] || "").split(":");
    td.className = name;
    if (unit) td.dataset.unit = unit;
    td.append(content);
    tr.append(td);
  });
  return tr;
}
function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function endedRow(one) {
  const link = element("a", one.url);
  link.href = `/jobs/${encodeURIComponent(one.job_id)}`;
  const outcome = element("span", one.outcome, `chip ${one.outcome === "ok" ? "ok" : "failed"}`);
  return row([link, outcome, one.found, `${count(one.duration_ms)} ms`], ["url", "", "num:media", "num"]);
}
function workerRow(one) {
  const up = Math.max(0, Date.now() / 1000 - one.started_at);
  const cells = [one.name, `${count(one.in_flight)} of ${count(one.limit)}`, element("span", one.why, "chip"), megabytes(one.memory), count(one.completed), span(up)];
  return row(cells, ["url", "num:in flight", "", "num", "num:done", "num"]);
}
/** As `WHY` in rendering.py. */
const WHY = {
  slots: "as many requests as it may have", gap: "a pause between requests", refused: "it asked for a pause",
  resting: "it failed too often and rests", probing: "one job tries whether it is well",
};
function hostRow(one) {
  return row([one.group, WHY[one.why] || one.why, one.held, span(Math.max(one.paused_ms, one.line_ms) / 1000)], ["url", "", "num:in flight", "num"]);
}
const megabytes = (bytes) => `${count(Math.round(bytes / MB))} MB`;
function span(seconds) {
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole} s`;
  return whole < 7200 ? `${Math.round(whole / 60)} min` : whole < 172800 ? `${Math.round(whole / 3600)} h` : `${Math.round(whole / 86400)} d`;
}

/** The list of jobs follows the counts, unless somebody is choosing in it. */
function refresh(counts) {
  const jobs = document.getElementById("jobs");
  const changed = jobs.dataset.state && counts[jobs.dataset.state] !== Number(jobs.dataset.count);
  const busy = jobs.contains(document.activeElement) && document.activeElement !== document.body;
  if (changed && !busy && !jobs.querySelector("tbody input:checked")) reload();
}
function reload() {
  const jobs = document.getElementById("jobs");
  if (!jobs) { location.reload(); return; }
  const query = new URLSearchParams();
  for (const name of ["state", "q"]) {
    const field = jobs.querySelector(`form [name="${name}"]`);
    if (field?.value) query.set(name, field.value);
  }
  htmx.ajax("GET", `/queue?${query}`, { target: "#jobs", swap: "outerHTML" });
}

async function act(text, run) {
  try {
    const answer = await run();
    notify(answer && "changed" in answer ? `${text}: ${count(answer.changed)}.` : `${text}.`);
    const page = document.querySelector("[data-job-page]");
    if (page) setTimeout(() => (text === "Removed" ? location.assign("/queue") : location.reload()), 300);
    else reload();
  } catch (error) {
    notify(error.message);
  }
}

const selected = () => [...document.querySelectorAll('#jobs input[name="job"]:checked')].map((box) => box.value);
const job = (id) => `/api/jobs/${encodeURIComponent(id)}`;

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { retry, remove, cancel, retryReason } = button.dataset;
  if (retry) act("Queued again", () => api("POST", `${job(retry)}/retry`));
  else if (remove) act("Removed", () => api("DELETE", job(remove)));
  else if (cancel) act("Cancelling", () => api("POST", `${job(cancel)}/cancel`));
  else if ("retryAll" in button.dataset) act("Queued again", () => api("POST", "/api/jobs/retry", {}));
  else if (retryReason) act("Queued again", () => api("POST", "/api/jobs/retry", { reason: retryReason }));
  else if (button.id === "retry-selected") act("Queued again", () => api("POST", "/api/jobs/retry", { ids: selected() }));
  else if (button.id === "remove-selected") act("Removed", () => api("POST", "/api/jobs/remove", { ids: selected() }));
  else if (button.id === "pause") act("Paused", () => api("POST", "/api/queue/pause"));
  else if (button.id === "resume") act("Resumed", () => api("POST", "/api/queue/resume"));
});
document.addEventListener("change", (event) => {
  if (event.target.id === "select-all") {
    for (const box of document.querySelectorAll('#jobs input[name="job"]')) box.checked = event.target.checked;
  }
  if (event.target.closest("#jobs")) {
    for (const id of ["retry-selected", "remove-selected"]) {
      const button = document.getElementById(id);
      if (button) button.disabled = !selected().length;
    }
  }
});
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "jobs") return;
  const state = document.getElementById("jobs").dataset.state;
  for (const tile of document.querySelectorAll("a.tile")) {
    if (tile.querySelector("[data-state]").dataset.state === state) tile.setAttribute("aria-current", "true");
    else tile.removeAttribute("aria-current");
  }
});

if (figures.length) {
  await charts();
  listen("/api/events", { queue: update });
}
