// Which days or months of a log exist and how busy they were, to go there.

import { counted } from "./activity.js";
import { ask, pathOf } from "./api.js";
import { make } from "./elements.js";
import { iso } from "./times.js";

const MONTH = new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric", timeZone: "UTC" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeZone: "UTC" });
const WEEKDAY = new Intl.DateTimeFormat(undefined, { weekday: "short", timeZone: "UTC" });
const MONDAY = Date.UTC(2024, 0, 1);
const COMPACT = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const DAY_MS = 86400000;
const MOST_PIECES = 6; // of a counting, each as long as the service lets it take, before the reader is asked
const LEAST = 0.1; // of the shade, which is a root so that one day of many lines leaves the others a difference
const STEPS = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 });

/**
 * Fill a place with the days of a log; with the months of a user's log over all channels, whose days nobody counts.
 * @param {HTMLElement} place
 * @param {import("./address.js").Seen} seen
 * @param {string} near a date, to begin with its month; empty: the newest
 * @param {AbortSignal} signal
 * @param {(at: string) => void} pick is given the first moment of what was chosen
 */
export async function calendar(place, seen, near, signal, pick) {
  place.replaceChildren(make("p", {}, "Reading …"));
  const { days, months } = await ask(pathOf(seen, seen.user ? "months" : "days"), {}, signal);
  if (!seen.channel) {
    place.replaceChildren(monthList(months, pick));
    return;
  }
  const there = new Set(days); // of a user, only counting tells
  const known = /** @type {string[]} */ ([...new Set(months ?? days.map((/** @type {string} */ day) => day.slice(0, 7)))]).sort();
  const told = make("p", { class: "soft", role: "status" });
  let counting = new AbortController();
  let shown = Math.max(known.findLastIndex((month) => month <= (near || "9999").slice(0, 7)), 0);
  if (known.length) draw();
  else place.replaceChildren(make("p", {}, "No day has lines."));

  function draw() {
    counting.abort();
    counting = new AbortController();
    const table = grid(known[shown], there, pick);
    const bar = make("div", { class: "months" }, turn("‹", "Earlier month", -1), choice(), turn("›", "Later month", 1));
    place.replaceChildren(bar, table, told);
    void busy(table, told, seen, known[shown], AbortSignal.any([signal, counting.signal]));
  }

  /** Show another month, and leave the focus where the reader has it. @param {number} month @param {string} label */
  function turnTo(month, label) {
    shown = month;
    draw();
    const same = place.querySelector(`[aria-label="${label}"]:enabled`) ?? place.querySelector("select");
    if (same instanceof HTMLElement) same.focus();
  }

  /** @param {string} sign @param {string} label @param {number} step */
  function turn(sign, label, step) {
    const button = make("button", { type: "button", "aria-label": label }, sign);
    button.disabled = !known[shown + step];
    button.addEventListener("click", () => turnTo(shown + step, label));
    return button;
  }

  function choice() {
    const select = make("select", { "aria-label": "Month" });
    known.forEach((month, number) => select.append(make("option", { value: String(number) }, MONTH.format(Date.parse(month)))));
    select.value = String(shown);
    select.addEventListener("change", () => turnTo(Number(select.value), "Month"));
    return select;
  }
}

/**
 * Count the lines of each day of a month, and show it as far as it is known.
 * @param {HTMLElement} table
 * @param {HTMLElement} told says what was counted
 * @param {import("./address.js").Seen} seen
 * @param {string} month
 * @param {AbortSignal} signal
 * @param {number} [from] where to go on
 * @param {Map<string, number>} [totals] by day
 */
async function busy(table, told, seen, month, signal, from = Date.parse(month), totals = new Map()) {
  const [year, number] = month.split("-").map(Number);
  const [name, to] = [MONTH.format(Date.parse(month)), Date.UTC(year, number, 1)];
  told.textContent = `${name}: counting …`;
  try {
    for (let pieces = 0; pieces < MOST_PIECES && from < to; pieces += 1) {
      const query = { from: iso(from), to: iso(to), by: "day", top: seen.user ? "" : 0 };
      const found = await ask(pathOf(seen, "stats"), query, signal);
      for (const { start, total } of found.periods) {
        const day = start.slice(0, 10);
        totals.set(day, (totals.get(day) ?? 0) + total);
      }
      from = found.complete ? to : Date.parse(found.through);
      mark(table, totals, from);
    }
  } catch (error) {
    if (signal.aborted) return;
    told.textContent = /** @type {Error} */ (error).message;
    if (seen.user) uncounted(table, from);
    return;
  }
  const sum = counted([...totals.values()].reduce((all, total) => all + total, 0));
  told.textContent = from < to ? `${name}: ${sum} up to ${DATE.format(from)}. ` : `${name}: ${sum}.`;
  if (from >= to) return;
  if (seen.user) uncounted(table, from);
  const on = make("button", { type: "button" }, "Count on");
  on.addEventListener("click", () => void busy(table, told, seen, month, signal, from, totals));
  told.append(on);
}

/**
 * Shade the days that were counted as a whole by how much was said, and say it.
 * @param {HTMLElement} table @param {Map<string, number>} totals @param {number} through counted up to there
 */
function mark(table, totals, through) {
  const most = Math.max(...totals.values(), 1);
  for (const button of table.querySelectorAll("button")) {
    const date = button.dataset.day ?? "";
    const total = totals.get(date);
    if (!total || Date.parse(date) + DAY_MS > through) continue;
    button.disabled = false;
    button.setAttribute("aria-label", `${DATE.format(Date.parse(date))}: ${counted(total)}`);
    button.style.setProperty("--busy", String(Math.max(Math.sqrt(total / most), LEAST)));
    button.replaceChildren(date.slice(8).replace(/^0/, ""), make("span", { class: "count" }, COMPACT.format(total)));
  }
}

/** Any day that was not counted may be there. @param {HTMLElement} table @param {number} from */
function uncounted(table, from) {
  for (const button of table.querySelectorAll("button")) {
    if (Date.parse(button.dataset.day ?? "") + DAY_MS > from) button.disabled = false;
  }
}

/** @param {string} month @param {Set<string>} there @param {(at: string) => void} pick */
function grid(month, there, pick) {
  const [year, number] = month.split("-").map(Number);
  const count = new Date(Date.UTC(year, number, 0)).getUTCDate();
  const blanks = (new Date(Date.UTC(year, number - 1, 1)).getUTCDay() + 6) % 7;
  const head = make("tr", {});
  for (let i = 0; i < 7; i += 1) head.append(make("th", { scope: "col" }, WEEKDAY.format(MONDAY + i * DAY_MS)));
  const body = make("tbody", {});
  for (let at = -blanks; at < count; at += 7) {
    const week = make("tr", {});
    for (let day = at + 1; day <= at + 7; day += 1) {
      const cell = make("td", {});
      if (day >= 1 && day <= count) cell.append(dayButton(`${month}-${String(day).padStart(2, "0")}`, there, pick));
      week.append(cell);
    }
    body.append(week);
  }
  const table = make("table", {}, make("thead", {}, head), body);
  table.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...table.querySelectorAll("button")];
    let next = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement)) + step;
    while (buttons[next]?.disabled) next += step;
    buttons[next]?.focus();
  });
  return table;
}

/** @param {string} date @param {Set<string>} there @param {(at: string) => void} pick */
function dayButton(date, there, pick) {
  const button = make("button", { type: "button", "aria-label": DATE.format(Date.parse(date)), "data-day": date });
  button.append(String(Number(date.slice(8))));
  button.disabled = !there.has(date);
  button.addEventListener("click", () => pick(`${date}T00:00:00.000Z`));
  return button;
}

/** @param {string[]} months newest first @param {(at: string) => void} pick */
function monthList(months, pick) {
  const list = make("ul", { class: "months-list" });
  for (const month of months) {
    const button = make("button", { type: "button" }, MONTH.format(Date.parse(`${month}-01`)));
    button.addEventListener("click", () => pick(`${month}-01T00:00:00.000Z`));
    list.append(make("li", {}, button));
  }
  return list;
}
