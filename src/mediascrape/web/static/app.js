// What every page shares: the viewer's choices, keyboard, dialogs, broken media, errors of htmx.

const csrf = document.querySelector('meta[name="csrf-token"]').content;

export function notify(text) {
  const notice = document.createElement("div");
  notice.className = "notice";
  notice.textContent = text;
  const notices = document.getElementById("notices");
  // Beside an open dialog all is dimmed, and silent to screen readers.
  const place = document.querySelector("dialog[open]") ?? document.body;
  if (notices.parentElement !== place) place.append(notices);
  notices.append(notice);
  setTimeout(() => notice.remove(), 4000);
}

/** What a problem document says, field by field where it does. */
const told = (problem) => problem.errors?.map((one) => `${one.field.replace("query.", "")}: ${one.message}`).join("; ") || problem.detail;

/** A request to our API; a problem document becomes an Error with its words. */
export async function api(method, path, body, headers = {}) {
  const response = await fetch(path, {
    method,
    headers: { "X-CSRF-Token": csrf, ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw Object.assign(new Error(told(problem) || `${response.status} ${response.statusText}`), { problem });
  }
  return response.status === 204 ? null : response.json();
}

/** Local times in place of UTC ones. */
export function localize(root) {
  const [short, exact] = ["short", "medium"].map((style) => new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: style }));
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.textContent = ("seconds" in time.dataset ? exact : short).format(new Date(time.dateTime));
  }
}

export const count = (value) => value.toLocaleString("en").replaceAll(",", "\u202f");

/**
 * One stream for the page; `handlers` by event name. A page that nobody sees lets go of it: browsers hold only
 * six connections to one host, and tabs in the background would use them up. Every event is a whole state,
 * so nothing is missed.
 */
export function listen(url, handlers) {
  let source = null;
  const watch = new AbortController();
  const { signal } = watch;
  const close = () => { source?.close(); source = null; };
  const open = () => {
    if (source || document.hidden) return;
    source = new EventSource(url);
    // Browsers come again by themselves when a connection breaks, but not after an answer like 503.
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return;
      source = null;
      setTimeout(() => { if (!signal.aborted) open(); }, 5000);
    });
    for (const [name, handler] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
    }
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()), { signal });
  addEventListener("pagehide", close, { signal });
  addEventListener("pageshow", open, { signal });
  open();
  return { close() { watch.abort(); close(); } };
}

function setCookie(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
}

document.body.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRF-Token"] = csrf;
  for (const [name, value] of Object.entries(event.detail.parameters)) {
    if (value === "") delete event.detail.parameters[name];
  }
});
document.body.addEventListener("htmx:responseError", (event) => {
  let text = "The service refused.";
  try { text = told(JSON.parse(event.detail.xhr.responseText)) || text; } catch { /* not a problem document */ }
  notify(text);
});
document.body.addEventListener("htmx:sendError", () => notify("The service does not answer."));
document.body.addEventListener("htmx:load", (event) => localize(event.detail.elt));
localize(document);

// --- the viewer's choices -------------------------------------------------------------------------

document.getElementById("theme-switch")?.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  setCookie("mediascrape_theme", root.dataset.theme);
  dispatchEvent(new Event("themechange"));
});
document.getElementById("private-switch")?.addEventListener("click", (event) => {
  setCookie("mediascrape_private", event.currentTarget.getAttribute("aria-checked") === "true" ? "0" : "1");
  location.reload();
});

// --- broken media -----------------------------------------------------------------------------------

function broken(element) {
  const frame = element.closest?.(".frame, .stage");
  if (frame && !frame.classList.contains("broken")) {
    frame.classList.add("broken");
    element.hidden = true;
  }
}
document.addEventListener("error", (event) => {
  if (event.target instanceof HTMLImageElement || event.target instanceof HTMLMediaElement) broken(event.target);
}, true);
for (const image of document.images) if (image.complete && !image.naturalWidth && image.currentSrc) broken(image);

// --- the detail view: true sizes, embeds -------------------------------------------------------------

document.addEventListener("load", (event) => {
  const image = event.target;
  if (!(image instanceof HTMLImageElement) || !image.matches("[data-natural]")) return;
  const place = image.closest(".detail").querySelector("[data-natural-size]");
  place.textContent = `; ${image.naturalWidth} × ${image.naturalHeight} px in truth`;
}, true);

/** What a page embedded runs only once somebody asks for it, and never as a part of ours. */
function embed(button) {
  const frame = document.createElement("iframe");
  const foreign = new URL(button.dataset.embed).hostname !== location.hostname;
  frame.sandbox = "allow-scripts allow-presentation allow-popups" + (foreign ? " allow-same-origin" : "");
  // Players of the well-known hosts refuse to play for a page that does not say where it is.
  frame.referrerPolicy = "player" in button.dataset ? "origin" : "no-referrer";
  frame.allow = "fullscreen; encrypted-media; picture-in-picture";
  frame.title = button.dataset.title;
  frame.src = button.dataset.embed;
  button.replaceWith(frame);
}

// --- dialogs, copying -------------------------------------------------------------------------------

let opener = null;
document.addEventListener("click", (event) => {
  const opens = event.target.closest("[data-dialog]");
  if (opens) opener = opens;
  const closes = event.target.closest("[data-close]");
  if (closes) {
    const dialog = closes.closest("dialog");
    if (dialog) dialog.close(); else history.back();
  }
  if (event.target instanceof HTMLDialogElement) event.target.close();
  const copies = event.target.closest("[data-copy]");
  if (copies) copy(copies.dataset.copy);
  const turns = event.target.closest("[data-turn]");
  if (turns) turn(Number(turns.dataset.turn));
  const embeds = event.target.closest("[data-embed]");
  if (embeds) embed(embeds);
});
document.body.addEventListener("htmx:afterSwap", (event) => {
  const dialog = document.getElementById("detail");
  if (event.detail.target?.id === "detail-body" && !dialog.open) dialog.showModal();
});
document.getElementById("detail")?.addEventListener("close", () => {
  document.getElementById("detail-body").replaceChildren();
  // This event comes late: who has gone on to type elsewhere is not brought back.
  if (!document.activeElement?.matches("input, textarea, select")) opener?.focus();
});
document.getElementById("keys-button")?.addEventListener("click", () => document.getElementById("keys").showModal());

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    notify("Copied.");
  } catch {
    notify(copyTheOldWay(text) ? "Copied." : "The browser does not allow copying here.");
  }
}
/** Where the service is reached by plain HTTP over a network, browsers have no clipboard for scripts. */
function copyTheOldWay(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  const focused = document.activeElement;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return copied;
}

// --- keyboard ----------------------------------------------------------------------------------------

const PLACES = { g: "/", s: "/submit", q: "/queue", t: "/schedules", a: "/docs" };
let afterG = -Infinity; // not 0, or in the first second of a page one key would do for two

function move(step) {
  const items = [...document.querySelectorAll("#grid .open, [data-nav]")];
  const at = items.indexOf(document.activeElement);
  const next = items[Math.max(0, Math.min(items.length - 1, at + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
const STEPS = { ArrowLeft: -1, ArrowRight: 1, k: -1, j: 1 };
/** From one item's detail to its neighbour's, as far as the gallery has loaded. */
function turn(step) {
  const items = [...document.querySelectorAll("#grid .open")];
  items[items.indexOf(opener) + step]?.click();
}
function original() {
  const dialog = document.querySelector("dialog[open] [data-original]");
  return (dialog || document.activeElement?.closest("[data-original]"))?.dataset.original;
}
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (typing && event.key === "Escape") event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.timeStamp - afterG < 1200 && PLACES[event.key]) {
    afterG = -Infinity;
    location.href = PLACES[event.key];
    return;
  }
  if (event.key === "g") afterG = event.timeStamp;
  else if (event.key === "/") {
    const search = document.querySelector('input[type="search"]');
    if (search) { event.preventDefault(); search.focus(); search.select(); }
  } else if (document.querySelector("dialog#detail[open]") && STEPS[event.key]) {
    event.preventDefault();
    turn(STEPS[event.key]);
  } else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "o" && original()) open(original(), "_blank", "noopener,noreferrer");
  else if (event.key === "c" && original()) copy(original());
  else if (event.key === "?") document.getElementById("keys").showModal();
});

// --- forms that need the token -------------------------------------------------------------------------

for (const form of document.querySelectorAll("form[data-csrf]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await fetch(form.action, { method: "POST", headers: { "X-CSRF-Token": csrf } });
    location.href = "/login";
  });
}

// --- the gallery fills while one looks -----------------------------------------------------------------

if (document.getElementById("results")) listen("/api/events", { queue: grow });

let asked = { results: null, newest: 0 };
async function grow(state) {
  for (const kind of document.querySelectorAll("[data-total]")) {
    kind.textContent = count(state.totals.media[kind.dataset.total] || 0);
  }
  const results = document.getElementById("results");
  if (!results.dataset.live || scrollY > 200 || document.querySelector("dialog[open]")) return;
  if (asked.results === results && asked.newest === state.newest_media) return;
  const grid = document.getElementById("grid");
  const first = grid?.querySelector(".card")?.dataset.id || results.dataset.first;
  if (state.newest_media <= Number(first)) return;
  asked = { results, newest: state.newest_media };
  const query = new URLSearchParams(results.dataset.query);
  if (grid) query.set("newer_than", first);
  const answer = await fetch(`/?${query}`, { headers: { "HX-Request": "true" } });
  const cards = await answer.text();
  if (!answer.ok || document.getElementById("results") !== results) return; // other filters were chosen meanwhile
  const anew = !grid || answer.headers.has("HX-Retarget");
  htmx.swap(anew ? results : grid, cards, { swapStyle: anew ? "outerHTML" : "afterbegin" });
}
