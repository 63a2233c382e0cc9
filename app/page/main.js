// Ties the parts together: what the address says is shown, and what is seen becomes the address.

import { activity } from "./activity.js";
import { NOTHING, read, write } from "./address.js";
import { ask, pathOf, Problem } from "./api.js";
import { calendar } from "./calendar.js";
import { applyTheme, choose, chosen } from "./choices.js";
import { make, part } from "./elements.js";
import { home, suggest } from "./home.js";
import { keys } from "./keys.js";
import { gap, line, removed } from "./line.js";
import { follow } from "./live.js";
import { Roll } from "./roll.js";
import { day, iso, timeOf } from "./times.js";
import { bothSides, context, NEWEST, page, since } from "./walk.js";

/** @typedef {import("./address.js").Seen} Seen */
/** @typedef {import("./api.js").Message} Message */

const FIRST_LINES = 100;
const MORE_LINES = 200;
const LATE_MS = 10000; // so much later than others a line may become visible
const MOST_MISSED_PAGES = 5;
const ADDRESS_MS = 250; // browsers refuse an address that changes too often

const log = part("log", HTMLElement);
const pick = part("pick", HTMLFormElement);
const status = part("status", HTMLElement);
const newest = part("newest", HTMLButtonElement);

/** @type {Seen} */
let seen = NOTHING;
let shownAt = new AbortController(); // ends what is asked for a view that was left
/** @type {(() => void) | null} */
let unfollow = null;
let unseen = 0;
let addressTimer = 0;

const roll = new Roll(log, part("rows", HTMLElement), {
  read: (way, signal) => page(seen, way, MORE_LINES, signal),
  row: (message) => rowOf(message),
  gap,
  moved,
  failed: (error, again) => say(error, again),
});

/** @param {Message} message */
function rowOf(message) {
  const element = line(message, seen, chosen("images") === "yes");
  if (message.sent === seen.line) mark(element);
  return element;
}

/**
 * Show a view, and lead the address there.
 * @param {Seen} next
 * @param {"push" | "replace" | "stay"} how the address changes
 */
async function show(next, how = "push") {
  leave();
  seen = next;
  if (how === "push") history.pushState(null, "", write(next));
  if (how === "replace") history.replaceState(null, "", write(next));
  const { signal } = shownAt;
  describe();
  log.hidden = !isLog();
  part("home", HTMLElement).hidden = isLog();
  if (!isLog()) {
    status.textContent = "";
    return showHome(signal);
  }
  status.textContent = "Reading …";
  try {
    await open(signal);
  } catch (error) {
    if (!signal.aborted) say(/** @type {Error} */ (error), () => show(seen, "stay"));
  }
}

/** Read and show the first lines of the view. @param {AbortSignal} signal */
async function open(signal) {
  const plain = seen.channel && !seen.user && !seen.q && !seen.type && seen.include === "all";
  const ms = seen.line ? timeOf(seen.line) : seen.at ? Date.parse(seen.at) : null;
  if (seen.line && ms === null) throw new Problem(404, "The address names no line: it ends in line= and a line's key.");
  if (seen.line && plain) roll.open([await context(seen, FIRST_LINES / 2, signal)], { sent: seen.line });
  else if (ms !== null) {
    const pages = await bothSides(seen, ms, FIRST_LINES, signal);
    if (signal.aborted) return;
    roll.open(pages, { ms });
    if (seen.line) roll.reveal(seen.line);
  } else {
    const first = await page(seen, NEWEST, FIRST_LINES, signal);
    if (signal.aborted) return;
    roll.open([first], "end");
  }
  status.textContent = roll.newest || !roll.reachesEnd ? "" : "No such lines are here.";
  describe();
  if (seen.line) roll.find(seen.line)?.element.focus({ preventScroll: true });
  if (!part("activity", HTMLElement).hidden) void showActivity();
}

/** @param {AbortSignal} signal */
async function showHome(signal) {
  try {
    const { channels } = await ask("channels", {}, signal);
    home(part("home", HTMLElement), channels);
    suggest(part("channels", HTMLDataListElement), channels);
  } catch (error) {
    if (!signal.aborted) say(/** @type {Error} */ (error), () => show(seen, "stay"));
  }
}

/** End what belongs to the view. */
function leave() {
  shownAt.abort();
  shownAt = new AbortController();
  clearTimeout(addressTimer);
  unfollow?.();
  unfollow = null;
  unseen = 0;
  newest.hidden = true;
  roll.clear();
}

/** Say what is seen: in the heading, in the fields, in the title. */
function describe() {
  const row = roll.newest;
  const channel = seen.channel && `#${row?.message.channel.login ?? seen.channel}`;
  const user = seen.user && ([...roll.rows()].find(({ message }) => isBy(message))?.message.user.displayName ?? seen.user);
  const name = [user, channel || (user ? "everywhere" : "")].filter(Boolean).join(user && channel ? " in " : " ");
  const heading = name || "Channels";
  part("heading", HTMLElement).textContent = heading;
  document.title = name ? `${name} · logstv` : "logstv";
  log.setAttribute("aria-label", `Chat: ${heading}`);
  for (const [field, value] of Object.entries(seen)) {
    const input = pick.elements.namedItem(field);
    if (input instanceof HTMLInputElement || input instanceof HTMLSelectElement) input.value = value;
  }
  part("days-button", HTMLElement).hidden = !isLog();
  part("activity-button", HTMLElement).hidden = !seen.channel;
  const opened = Boolean(seen.channel) && chosen("activity") === "yes";
  part("activity", HTMLElement).hidden = !opened;
  part("activity-button", HTMLElement).setAttribute("aria-expanded", String(opened));
}

const isLog = () => Boolean(seen.channel || seen.user);

/** @param {Message} message */
const isBy = ({ user }) => seen.user.toLowerCase() === user.login || seen.user === `id:${user.id}`;

/** @param {Error} error @param {() => void} again */
function say(error, again) {
  const button = make("button", { type: "button" }, "Try again");
  button.addEventListener("click", () => {
    status.textContent = "";
    again();
  });
  const worthIt = !(error instanceof Problem) || error.status === 0 || error.status >= 429;
  if (!(error instanceof Problem)) console.error(error);
  status.replaceChildren(`${error.message} `, ...(worthIt ? [button] : []));
}

// What is seen becomes the address, and new lines are followed while the end is there.

/** @param {boolean} byReader */
function moved(byReader) {
  const first = roll.first();
  part("day", HTMLElement).textContent = first ? day(first.ms) : "";
  attend();
  if (!byReader) return;
  clearTimeout(addressTimer);
  addressTimer = window.setTimeout(keepAddress, ADDRESS_MS);
}

function keepAddress() {
  const first = roll.first();
  if (!first) return;
  const chosenRow = seen.line ? roll.find(seen.line) : undefined;
  if (chosenRow && isSeen(chosenRow.element)) return;
  if (seen.line) unmark();
  seen = { ...seen, line: "", at: roll.atEnd ? "" : iso(first.ms) };
  history.replaceState(null, "", write(seen));
}

/** @param {HTMLElement} element */
function isSeen(element) {
  const [box, whole] = [element.getBoundingClientRect(), log.getBoundingClientRect()];
  return box.bottom > whole.top && box.top < whole.bottom;
}

/** Follow while the newest line is among the rows; offer a way there where it is not seen. */
function attend() {
  if (roll.reachesEnd && seen.channel && !seen.q && seen.include !== "deleted") {
    unfollow ??= follow(seen.channel, { lines: said, opened: () => void missed(), state: showLive });
  } else if (unfollow) {
    unfollow();
    unfollow = null;
  }
  if (roll.atEnd) unseen = 0;
  newest.hidden = !isLog() || !roll.newest || roll.atEnd || isBottom();
  newest.textContent = unseen ? `${unseen} new ${unseen === 1 ? "line" : "lines"} ↓` : "Newest lines ↓";
  // Only what is said while one listens is to be read out, not what scrolling brings.
  log.setAttribute("aria-live", roll.atEnd && unfollow ? "polite" : "off");
}

const isBottom = () => roll.reachesEnd && log.scrollHeight - log.scrollTop - log.clientHeight < 30;

/** @param {boolean} live */
function showLive(live) {
  part("live", HTMLElement).hidden = !live;
}

/** @param {Message[]} messages */
function said(messages) {
  if (!roll.reachesEnd) return;
  messages.forEach(removes);
  const added = roll.add(messages.filter(isWanted));
  if (!roll.atEnd) unseen += added.length;
  attend();
}

/** @param {Message} message */
function isWanted(message) {
  if (seen.user && !isBy(message)) return false;
  return !seen.type || seen.type.split(",").includes(message.type);
}

/** Mark the lines that an event removes. @param {Message} event */
function removes({ type, tags, timestamp }) {
  if (type !== "clearchat" && type !== "clearmsg") return;
  const target = tags[type === "clearmsg" ? "target-msg-id" : "target-user-id"];
  const by = type === "clearmsg" ? "clearmsg" : !target ? "clear" : tags["ban-duration"] ? "timeout" : "ban";
  for (const { message, element } of roll.rows()) {
    const hit = type === "clearmsg" ? message.id === target : !target || message.user.id === target;
    if (hit && message.type === "privmsg" && message.timestamp <= timestamp) {
      removed(element, by, timestamp);
      element.hidden = seen.include === "kept";
    }
  }
}

/** Read what was said before the stream began, or while it was broken. */
async function missed() {
  const { signal } = shownAt;
  /** @type {import("./walk.js").Way | null} */
  let way = since((roll.newest?.ms ?? Date.now()) - LATE_MS);
  try {
    for (let pages = 0; way && pages < MOST_MISSED_PAGES; pages += 1) {
      const found = await page(seen, way, 1000, signal);
      if (signal.aborted || !roll.reachesEnd) return;
      roll.add(found.lines);
      way = found.newer;
    }
    if (way) await show({ ...seen, at: "", line: "" }, "replace");
  } catch (error) {
    if (!signal.aborted) say(/** @type {Error} */ (error), () => void missed());
  }
}

// What a reader does.

/** @param {HTMLElement} element */
function mark(element) {
  element.classList.add("chosen");
  element.setAttribute("aria-current", "true");
}

function unmark() {
  const row = roll.find(seen.line);
  row?.element.classList.remove("chosen");
  row?.element.removeAttribute("aria-current");
}

/** Lead to a line with its surroundings; where they are seen already, only mark it. @param {string} sent */
function choose_(sent) {
  const row = roll.find(sent);
  if (!row) return;
  const alone = seen.user || seen.q || seen.type || seen.include !== "all" || !seen.channel;
  if (alone) {
    const channel = seen.channel || `id:${row.message.channel.id}`;
    void show({ ...NOTHING, channel, line: sent });
    return;
  }
  unmark();
  clearTimeout(addressTimer);
  const before = write(seen);
  seen = { ...seen, line: sent, at: "" };
  if (before !== write(seen)) history.pushState(null, "", write(seen));
  mark(row.element);
}

/** Go to the line that another answers: among the rows, or in the day before it. @param {HTMLElement} button */
async function answered(button) {
  const sent = button.closest(".line")?.getAttribute("data-sent") ?? "";
  const { id = "", thread = "" } = button.dataset;
  const from = roll.find(sent);
  if (!from) return;
  const there = [...roll.rows()].find(({ message }) => message.id === id);
  if (there && seen.channel && !seen.q) {
    choose_(there.message.sent);
    roll.reveal(there.message.sent)?.element.focus({ preventScroll: true });
    return;
  }
  const channel = seen.channel || `id:${from.message.channel.id}`;
  try {
    const range = { from: iso(from.ms - 86400000), to: iso(from.ms + 1) };
    const path = pathOf({ channel, user: "" }, `threads/${encodeURIComponent(thread)}`);
    const { messages } = await ask(path, range, shownAt.signal);
    const found = messages.find((/** @type {Message} */ message) => message.id === id);
    if (found) return void show({ ...NOTHING, channel, line: found.sent });
    status.textContent = "The line that this answers is not in the log of the day before it.";
  } catch (error) {
    say(/** @type {Error} */ (error), () => void answered(button));
  }
}

log.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  const button = target.closest("button.reply");
  if (button instanceof HTMLElement) return void answered(button);
  const row = target.closest(".line");
  if (!row || (target.closest("a") && !target.closest("a.time")) || String(getSelection())) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  choose_(row.getAttribute("data-sent") ?? "");
});

// Links within the page are followed without loading it anew.
document.addEventListener("click", (event) => {
  const link = /** @type {Element} */ (event.target).closest("a");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const url = new URL(link.getAttribute("href") ?? "", location.href);
  if (link.target || url.origin !== location.origin || url.pathname !== "/") return;
  event.preventDefault();
  void show(read(url.search));
});

pick.addEventListener("submit", (event) => {
  event.preventDefault();
  const given = new FormData(pick);
  const fields = Object.fromEntries([...given].map(([name, value]) => [name, String(value)]));
  const asked = read(`?${new URLSearchParams(fields)}`);
  // Another question about the same log is asked about the same time.
  const same = asked.channel === seen.channel && asked.user === seen.user && !asked.q;
  void show({ ...asked, at: same ? seen.at : "" });
});
for (const select of pick.querySelectorAll("select")) select.addEventListener("change", () => pick.requestSubmit());

newest.addEventListener("click", toNewest);
function toNewest() {
  if (!roll.reachesEnd) return void show({ ...seen, at: "", line: "" });
  unmark();
  seen = { ...seen, at: "", line: "" };
  history.replaceState(null, "", write(seen));
  roll.toEnd();
  log.focus({ preventScroll: true });
}

async function showActivity() {
  const by = part("activity", HTMLElement).querySelector("[aria-pressed=true]")?.getAttribute("data-by");
  const place = part("activity-chart", HTMLElement);
  const ms = roll.first()?.ms ?? Date.now();
  try {
    await activity(place, seen, ms, by === "day" ? "day" : "hour", shownAt.signal);
  } catch (error) {
    if (!(error instanceof DOMException)) place.replaceChildren(make("p", {}, /** @type {Error} */ (error).message));
  }
}

function toggleActivity() {
  if (!seen.channel) return;
  choose("activity", chosen("activity") === "yes" ? "no" : "yes");
  describe();
  if (chosen("activity") === "yes") void showActivity();
}
part("activity-button", HTMLElement).addEventListener("click", toggleActivity);
for (const button of document.querySelectorAll("[data-by]")) {
  button.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-by]")) other.setAttribute("aria-pressed", String(other === button));
    void showActivity();
  });
}

async function showDays() {
  if (!isLog()) return;
  const dialog = part("days-dialog", HTMLDialogElement);
  const place = part("days", HTMLElement);
  const first = roll.first();
  dialog.showModal();
  try {
    await calendar(place, seen, first ? iso(first.ms) : "", (at) => {
      dialog.close();
      void show({ ...seen, line: "", at });
    });
  } catch (error) {
    place.replaceChildren(make("p", {}, /** @type {Error} */ (error).message));
  }
}
part("days-button", HTMLElement).addEventListener("click", () => void showDays());

const options = part("options-dialog", HTMLDialogElement);
part("options-button", HTMLElement).addEventListener("click", () => options.showModal());
const theme = part("theme", HTMLSelectElement);
theme.value = chosen("theme");
theme.addEventListener("change", () => choose("theme", theme.value));
const images = part("images", HTMLInputElement);
images.checked = chosen("images") === "yes";
images.addEventListener("change", () => {
  choose("images", images.checked ? "yes" : "no");
  void show(seen, "stay");
});

/** The row that has the focus, or that is the first one seen. @param {number} step */
function step(step) {
  const rows = [...log.querySelectorAll(".line:not([hidden])")];
  const at = rows.findIndex((row) => row === document.activeElement || row.contains(document.activeElement));
  const first = roll.first()?.element;
  const next = at >= 0 ? rows[at + step] : (rows.find((row) => row.classList.contains("chosen")) ?? first);
  if (!(next instanceof HTMLElement)) return;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

const focused = () => document.activeElement?.closest(".line");

keys(log, {
  step,
  open: () => choose_(focused()?.getAttribute("data-sent") ?? ""),
  author: () => {
    const link = focused()?.querySelector("a.name");
    if (link instanceof HTMLElement) link.click();
  },
  search: () => part("search", HTMLInputElement).select(),
  leave: () => {
    if (seen.line) {
      unmark();
      seen = { ...seen, line: "" };
      keepAddress();
    } else if (seen.q) void show({ ...seen, q: "" });
    else if (seen.user && seen.channel) void show({ ...seen, user: "" });
  },
  newest: toNewest,
  days: () => void showDays(),
  activity: toggleActivity,
  help: () => options.showModal(),
});

addEventListener("popstate", () => void show(read(location.search), "stay"));
applyTheme();
void show(read(location.search), "stay");
void ask("channels").then(({ channels }) => suggest(part("channels", HTMLDataListElement), channels), () => {});
