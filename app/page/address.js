// What is seen, and the address that leads there again.

/**
 * @typedef {object} Seen
 * @property {string} channel a login, or id: and a number; empty: everywhere
 * @property {string} user likewise; empty: everyone
 * @property {string} at the time of the first line that is seen, RFC 3339; empty: the newest lines
 * @property {string} line the key of a line to show with its surroundings
 * @property {string} q what is searched for
 * @property {string} include all, kept or deleted
 * @property {string} type which kinds of line, as in /v1; empty: all
 */

/** @type {Seen} */
export const NOTHING = { channel: "", user: "", at: "", line: "", q: "", include: "all", type: "" };

/**
 * @param {string} query of an address
 * @returns {Seen}
 */
export function read(query) {
  const given = new URLSearchParams(query);
  const seen = { ...NOTHING };
  for (const name of /** @type {(keyof Seen)[]} */ (Object.keys(NOTHING))) {
    seen[name] = (given.get(name) ?? "").trim() || NOTHING[name];
  }
  seen.channel = seen.channel.replace(/^#/, "");
  seen.user = seen.user.replace(/^@/, "");
  if (!["all", "kept", "deleted"].includes(seen.include)) seen.include = "all";
  if (seen.at) {
    const ms = Date.parse(seen.at);
    seen.at = Number.isNaN(ms) ? "" : new Date(ms).toISOString();
  }
  return seen;
}

/**
 * @param {Partial<Seen>} seen
 * @returns {string} an address relative to the page
 */
export function write(seen) {
  const said = Object.entries({ ...NOTHING, ...seen }).filter(([name, value]) => value && value !== "all");
  // What a login, an id or a time consists of may stand in a query as it is (RFC 3986, 3.4).
  const pairs = said.map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%3A", ":")}`);
  return pairs.length ? `?${pairs.join("&")}` : "/";
}
