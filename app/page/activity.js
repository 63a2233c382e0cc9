// How much was said: a bar an hour or a day, each of which leads there, and who said most.

import { write } from "./address.js";
import { ask, pathOf } from "./api.js";
import { make } from "./elements.js";
import { day, hour, iso, short } from "./times.js";

const HOUR_MS = 3600000;
const DAY_MS = 86400000;
const SVG = "http://www.w3.org/2000/svg";
const DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const NUMBER = new Intl.NumberFormat();
const HIGH = 100;

/**
 * @param {HTMLElement} place
 * @param {import("./address.js").Seen} seen
 * @param {number} ms a time that is looked at
 * @param {"hour" | "day"} by the hours of that day, or the 30 days up to it
 * @param {AbortSignal} signal
 */
export async function activity(place, seen, ms, by, signal) {
  place.setAttribute("aria-busy", "true");
  const [from, to] = span(ms, by);
  const step = by === "hour" ? HOUR_MS : DAY_MS;
  const log = { channel: seen.channel, user: seen.user };
  const top = seen.user ? "" : 8;
  const found = await ask(pathOf(log, "stats"), { from: iso(from), to: iso(to), by, top }, signal);
  const totals = new Map(found.periods.map((/** @type {any} */ period) => [Date.parse(period.start), period.total]));
  const most = Math.max(...totals.values(), 1);
  const slots = Math.round((to - from) / step);
  const label = `${counted(found.total)}, ${by === "hour" ? "by the hour" : "by day"}`;
  const chart = drawn("svg", { viewBox: `0 0 ${slots * 10} ${HIGH}`, preserveAspectRatio: "none", role: "group", "aria-label": label });
  for (let slot = 0; slot < slots; slot += 1) {
    const start = from + slot * step;
    const total = totals.get(start);
    if (total) chart.append(bar(slot, total / most, name(start, by, total), write({ ...log, at: iso(start) })));
  }
  const scale = make("div", { class: "scale" });
  for (const share of [0, 0.25, 0.5, 0.75, 1]) scale.append(make("span", {}, tick(from + (to - from) * share, by)));
  const whole = by === "hour" ? `${day(from)}: ${label}` : label;
  const sentence = `${whole}; at most ${NUMBER.format(most)} in ${by === "hour" ? "an hour" : "a day"}.`;
  const partly = found.complete ? "" : ` Counted up to ${short(Date.parse(found.through))}: there was no time for more.`;
  place.replaceChildren(make("div", { class: "chart" }, chart, scale), make("p", {}, sentence + partly), chatters(found.top, log.channel));
  place.removeAttribute("aria-busy");
}

/**
 * The day of the reader's clock, cut at whole hours of UTC; or 30 days of UTC.
 * @param {number} ms @param {"hour" | "day"} by @returns {[number, number]}
 */
function span(ms, by) {
  if (by === "day") {
    const end = Math.floor(ms / DAY_MS) * DAY_MS + DAY_MS;
    return [end - 30 * DAY_MS, end];
  }
  const midnight = Math.floor(new Date(ms).setHours(0, 0, 0, 0) / HOUR_MS) * HOUR_MS;
  return [midnight, midnight + DAY_MS];
}

/** @param {number} ms @param {"hour" | "day"} by @param {number} total */
function name(ms, by, total) {
  return `${by === "hour" ? hour(ms) : DATE.format(ms)}: ${counted(total)}`;
}

/** @param {number} total */
export const counted = (total) => `${NUMBER.format(total)} ${total === 1 ? "line" : "lines"}`;

/** @param {number} ms @param {"hour" | "day"} by */
const tick = (ms, by) => (by === "hour" ? hour(ms) : DATE.format(ms));

/** @param {number} slot @param {number} share @param {string} label @param {string} href */
function bar(slot, share, label, href) {
  const height = Math.max(share * HIGH, 2);
  const title = drawn("title", {});
  title.textContent = label;
  const link = drawn("a", { href, "aria-label": label });
  link.append(
    title,
    drawn("rect", { class: "room", x: slot * 10, y: 0, width: 10, height: HIGH }),
    drawn("rect", { class: "bar", x: slot * 10 + 1, y: HIGH - height, width: 8, height }),
  );
  return link;
}

/** @param {string} tag @param {Record<string, string | number>} attributes */
function drawn(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, String(value));
  return element;
}

/** @param {{ user: { id: string, login: string }, messages: number }[] | undefined} top @param {string} channel */
function chatters(top, channel) {
  const list = make("ol", { class: "chatters", "aria-label": "Who said most" });
  for (const { user, messages } of top ?? []) {
    const link = make("a", { href: write({ channel, user: `id:${user.id}` }) }, user.login);
    list.append(make("li", {}, link, ` ${NUMBER.format(messages)}`));
  }
  return list;
}
