// Which days or months of a log exist, to go there.

import { ask, pathOf } from "./api.js";
import { make } from "./elements.js";

const MONTH = new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric", timeZone: "UTC" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeZone: "UTC" });
const WEEKDAY = new Intl.DateTimeFormat(undefined, { weekday: "short", timeZone: "UTC" });
const MONDAY = Date.UTC(2024, 0, 1);
const STEPS = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7 });

/**
 * Fill a place with the days of a channel, or with the months of a user.
 * @param {HTMLElement} place
 * @param {import("./address.js").Seen} seen
 * @param {string} near a date, to begin with its month; empty: the newest
 * @param {AbortSignal} signal
 * @param {(at: string) => void} pick is given the first moment of what was chosen
 */
export async function calendar(place, seen, near, signal, pick) {
  place.replaceChildren(make("p", {}, "Reading …"));
  if (seen.user) {
    const { months } = await ask(pathOf(seen, "months"), {}, signal);
    place.replaceChildren(monthList(months, pick));
    return;
  }
  /** @type {{ days: string[] }} */
  const { days } = await ask(pathOf(seen, "days"), {}, signal);
  const there = new Set(days);
  const months = [...new Set(days.map((day) => day.slice(0, 7)))].sort();
  let shown = months.findLastIndex((month) => month <= (near || "9999").slice(0, 7));
  if (shown < 0) shown = 0;
  draw();

  /** @param {number} [step] */
  function draw(step = 0) {
    shown += step;
    const month = months[shown];
    if (!month) {
      place.replaceChildren(make("p", {}, "No day has lines."));
      return;
    }
    const title = make("h3", { "aria-live": "polite" }, MONTH.format(Date.parse(`${month}-01`)));
    const [back, on] = [turn("‹", "Earlier month", -1), turn("›", "Later month", 1)];
    place.replaceChildren(make("div", { class: "months" }, back, title, on), grid(month, there, pick));
    if (step) (step < 0 ? back : on).focus();
  }

  /** @param {string} sign @param {string} label @param {number} step */
  function turn(sign, label, step) {
    const button = make("button", { type: "button", "aria-label": label }, sign);
    button.disabled = !months[shown + step];
    button.addEventListener("click", () => draw(step));
    return button;
  }
}

/** @param {string} month @param {Set<string>} there @param {(at: string) => void} pick */
function grid(month, there, pick) {
  const [year, number] = month.split("-").map(Number);
  const count = new Date(Date.UTC(year, number, 0)).getUTCDate();
  const blanks = (new Date(Date.UTC(year, number - 1, 1)).getUTCDay() + 6) % 7;
  const head = make("tr", {});
  for (let i = 0; i < 7; i += 1) head.append(make("th", { scope: "col" }, WEEKDAY.format(MONDAY + i * 86400000)));
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
