// Times as the reader's clock shows them, and UTC where a link or a tooltip needs it.

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const HOUR = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const SHORT = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** @param {number} ms */
export const clock = (ms) => CLOCK.format(ms);
/** @param {number} ms */
export const hour = (ms) => HOUR.format(ms);
/** @param {number} ms */
export const day = (ms) => DAY.format(ms);
/** @param {number} ms */
export const short = (ms) => SHORT.format(ms);
/** @param {number} ms */
export const iso = (ms) => new Date(ms).toISOString();
/** As a field for a time of the reader's clock takes it. @param {number} ms */
export const local = (ms) => iso(ms - new Date(ms).getTimezoneOffset() * 60000).slice(0, 16);
/** @param {number} ms */
export const utc = (ms) => `${iso(ms).slice(0, 23).replace("T", " ")} UTC`;

/**
 * The same for all times of one day of the reader's.
 * @param {number} ms
 */
export function dayKey(ms) {
  const at = new Date(ms);
  return (at.getFullYear() * 12 + at.getMonth()) * 31 + at.getDate();
}

/**
 * How long something took, in the two largest units.
 * @param {number} ms
 */
export function duration(ms) {
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([count]) => count).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

const GREGORIAN_MS = 12219292800000n; // from 1582-10-15, where timeuuids begin, to 1970

/**
 * When a line was sent, which its key says.
 * @param {string} sent a timeuuid
 * @returns {number | null} Unix milliseconds; null if it is no timeuuid
 */
export function timeOf(sent) {
  const found = /^([0-9a-f]{8})-([0-9a-f]{4})-1([0-9a-f]{3})-[0-9a-f]{4}-[0-9a-f]{12}$/i.exec(sent);
  if (!found) return null;
  return Number(BigInt(`0x${found[3]}${found[2]}${found[1]}`) / 10000n - GREGORIAN_MS);
}
