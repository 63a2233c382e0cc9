// Asks /v1. What goes wrong becomes a sentence that can be shown.

/**
 * A line, as /v1 gives it.
 * @typedef {object} Message
 * @property {string} sent
 * @property {string} id
 * @property {"privmsg" | "usernotice" | "clearchat" | "clearmsg"} type
 * @property {string} timestamp
 * @property {string} [timestampSource]
 * @property {{ id: string, login: string }} channel
 * @property {{ id: string, login: string, displayName: string }} user
 * @property {string} text
 * @property {boolean} [action]
 * @property {string} systemText
 * @property {Record<string, string>} tags
 * @property {{ channelId: string, id: string }} [source]
 * @property {{ id: string, threadId: string, user: { login: string, displayName: string }, text: string }} [reply]
 * @property {{ by: string, at: string }} [deleted]
 */

export class Problem extends Error {
  /**
   * @param {number} status of the answer; 0 if there was none
   * @param {string} detail a sentence
   */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/**
 * @param {string} path under /v1
 * @param {Record<string, string | number>} [query]
 * @param {AbortSignal} [signal]
 * @param {"GET" | "POST"} [method]
 * @returns {Promise<any>}
 */
export async function ask(path, query = {}, signal, method = "GET") {
  const pairs = Object.entries(query).map(([name, value]) => [name, String(value)]);
  const asked = new URLSearchParams(pairs.filter(([, value]) => value));
  let answer;
  try {
    answer = await fetch(`/v1/${path}?${asked}`, { method, signal, headers: { accept: "application/json" } });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "The service cannot be reached.");
  }
  const body = await answer.json().catch(() => null);
  signal?.throwIfAborted();
  if (answer.ok && body) return body;
  throw new Problem(answer.status, body?.detail ?? `The service answered with status ${answer.status}.`);
}

/**
 * The path of a log, or of something about it.
 * @param {{ channel: string, user: string }} log
 * @param {string} what
 */
export function pathOf({ channel, user }, what) {
  const parts = channel ? ["channels", channel] : [];
  if (user) parts.push("users", user);
  return `${parts.map(encodeURIComponent).join("/")}/${what}`;
}
