// A log in pages, oldest line first, each of which knows the ways to its neighbours.

import { ask, pathOf } from "./api.js";
import { iso } from "./times.js";

/**
 * How to read on: what is asked of /v1, and in which order its walk goes.
 * @typedef {{ order: "asc" | "desc", query: Record<string, string> }} Way
 */

/**
 * @typedef {object} Page
 * @property {import("./api.js").Message[]} lines oldest first
 * @property {Way | null} older null: nothing is older
 * @property {Way | null} newer null: nothing is newer now
 * @property {{ from: string, to: string }[]} gaps in which the channel was not read
 */

/** @type {Way} */
export const NEWEST = { order: "desc", query: { order: "desc" } };
/** @param {number} ms @returns {Way} */
export const since = (ms) => ({ order: "asc", query: { from: iso(ms), order: "asc" } });
/** @param {number} ms @returns {Way} */
export const before = (ms) => ({ order: "desc", query: { to: iso(ms), order: "desc" } });

/**
 * @param {import("./address.js").Seen} seen which log, and which of its lines
 * @param {Way} way
 * @param {number} limit
 * @param {AbortSignal} [signal]
 * @returns {Promise<Page>}
 */
export async function page(seen, way, limit, signal) {
  const { q, type } = seen;
  const include = seen.include === "all" ? "" : seen.include;
  const answer = await ask(pathOf(seen, "messages"), { ...way.query, q, type, include, limit }, signal);
  return turned(answer, way.order);
}

/**
 * A line of a channel and what was said around it.
 * @param {import("./address.js").Seen} seen
 * @param {number} around lines on either side
 * @param {AbortSignal} [signal]
 * @returns {Promise<Page>}
 */
export async function context(seen, around, signal) {
  const path = pathOf({ channel: seen.channel, user: "" }, `messages/${encodeURIComponent(seen.line)}`);
  return turned(await ask(path, { before: around, after: around }, signal), "asc");
}

/**
 * The lines on both sides of a time. Each side is a walk that ends there, so each is told the way to the other.
 * @param {import("./address.js").Seen} seen
 * @param {number} ms
 * @param {number} limit
 * @param {AbortSignal} [signal]
 * @returns {Promise<Page[]>}
 */
export async function bothSides(seen, ms, limit, signal) {
  const [earlier, later] = await Promise.all([
    page(seen, before(ms), limit, signal),
    page(seen, since(ms), limit, signal),
  ]);
  earlier.newer ??= since(ms);
  later.older ??= before(ms);
  return [earlier, later];
}

/**
 * @param {any} answer
 * @param {"asc" | "desc"} order
 * @returns {Page}
 */
function turned(answer, order) {
  /** @param {string | null} cursor @returns {Way | null} */
  const by = (cursor) => (cursor ? { order, query: { cursor } } : null);
  const next = by(answer.page.next);
  const previous = by(answer.page.previous);
  const lines = order === "desc" ? answer.messages.reverse() : answer.messages;
  const [older, newer] = order === "desc" ? [next, previous] : [previous, next];
  return { lines, older, newer, gaps: answer.gaps };
}
