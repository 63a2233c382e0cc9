// What a line looks like.

import { write } from "./address.js";
import { badges } from "./badges.js";
import { readable } from "./colors.js";
import { make } from "./elements.js";
import { pieces } from "./text.js";
import { clock, duration, short, utc } from "./times.js";

/** @typedef {import("./api.js").Message} Message */

const EMOTES = "https://static-cdn.jtvnw.net/emoticons/v2";
const REMOVED = { clearmsg: "deleted", ban: "banned", timeout: "timed out", clear: "chat cleared" };
const NOTICES = {
  announcement: "announcement",
  raid: "raid",
  unraid: "raid",
  ritual: "new",
  bitsbadgetier: "bits",
  charitydonation: "charity",
  viewermilestone: "milestone",
};
const SUBS = /sub|gift|upgrade|payforward/;
const LONG_GAP_MS = 12 * 3600000; // of a longer one, the days are said too

/**
 * @param {Message} message
 * @param {import("./address.js").Seen} seen what is being looked at
 * @param {boolean} images whether emotes are loaded from Twitch
 * @returns {HTMLElement}
 */
export function line(message, seen, images) {
  const { channel, tags, sent } = message;
  const ms = Date.parse(message.timestamp);
  const element = make("div", { class: `line ${message.type}`, tabindex: "-1", "data-sent": sent });
  if (message.action) element.classList.add("action");
  if (message.reply) element.append(answered(message.reply));
  const time = make("time", { datetime: message.timestamp, title: utc(ms) }, clock(ms));
  if (message.timestampSource) time.title += ", when it was received";
  const where = seen.channel || `id:${channel.id}`;
  element.append(make("a", { class: "time", href: write({ channel: where, line: sent }) }, time), " ");
  if (!seen.channel) {
    element.append(make("a", { class: "where", href: write({ channel: where }) }, `#${channel.login}`), " ");
  }
  if (message.source && message.source.channelId !== channel.id) {
    element.append(make("span", { class: "badge", title: "Said in another channel that shares this chat" }, "shared"), " ");
  }
  if (message.systemText || message.type === "usernotice") event(element, message);
  if (message.type === "privmsg" || (message.type === "usernotice" && message.text)) {
    for (const { name, text, title } of badges(tags)) {
      element.append(make("span", { class: "badge", "data-badge": name, title }, text), " ");
    }
    element.append(author(message, where), message.action ? " " : ": ", said(message, seen.q, images));
  }
  if (message.deleted) removed(element, message.deleted.by, message.deleted.at);
  return element;
}

/**
 * Mark a line as removed by a moderator.
 * @param {HTMLElement} element
 * @param {string} by
 * @param {string} at
 */
export function removed(element, by, at) {
  if (element.classList.contains("removed")) return;
  element.classList.add("removed");
  const how = /** @type {Record<string, string>} */ (REMOVED)[by] ?? by;
  element.append(" ", make("span", { class: "how", title: `Removed at ${utc(Date.parse(at))}` }, how));
}

/** @param {HTMLElement} element @param {Message} message */
function event(element, { type, tags, systemText }) {
  element.classList.add("event");
  const id = tags["source-msg-id"] || tags["msg-id"] || ""; // of a notice in a shared chat, what it is where it is from
  const kind = /** @type {Record<string, string>} */ (NOTICES)[id] ?? (SUBS.test(id) ? "sub" : "notice");
  const label = type === "usernotice" ? kind : "mod";
  element.append(make("span", { class: "kind" }, label), " ");
  if (systemText) element.append(make("bdi", { class: "system" }, systemText), " ");
}

/** @param {Message} message @param {string} channel as an address names it */
function author({ user, tags }, channel) {
  const href = write({ channel, user: user.id ? `id:${user.id}` : user.login });
  const name = make("a", { class: "name", href }, make("bdi", {}, user.displayName));
  if (user.displayName.toLowerCase() !== user.login) name.append(` (${user.login})`);
  const { onDark, onLight } = readable(tags.color ?? "", user.login);
  // Through the object model, which a policy without inline styles allows.
  name.style.setProperty("--on-dark", onDark);
  name.style.setProperty("--on-light", onLight);
  name.title = `The log of ${user.login}`;
  return name;
}

/** @param {Message} message @param {string} needle @param {boolean} images */
function said({ text, tags }, needle, images) {
  const element = make("span", { class: "text", dir: "auto" });
  for (const piece of pieces(text, tags.emotes ?? "", needle)) {
    /** @type {Node | string} */
    let shown = piece.text;
    if (piece.emote && images) shown = picture(piece.emote, piece.text);
    else if (piece.emote) shown = make("span", { class: "emote", title: "An emote of Twitch" }, piece.text);
    else if (piece.url) shown = make("a", { href: piece.url, rel: "noopener noreferrer nofollow ugc", target: "_blank" }, piece.text);
    element.append(piece.found ? make("mark", {}, shown) : shown);
  }
  return element;
}

/** @param {string} id @param {string} name */
function picture(id, name) {
  const address = `${EMOTES}/${encodeURIComponent(id)}/default/dark`;
  const of = { src: `${address}/1.0`, srcset: `${address}/2.0 2x, ${address}/3.0 4x` };
  return make("img", { class: "emote", ...of, alt: name, title: name, loading: "lazy", referrerpolicy: "no-referrer" });
}

/** @param {NonNullable<Message["reply"]>} reply */
function answered({ id, threadId, user, text }) {
  const button = make("button", { class: "reply", type: "button", "data-id": id, "data-thread": threadId });
  button.title = "Go to the line that this answers";
  button.append("↪ ", make("bdi", {}, user.displayName), ": ", make("bdi", {}, text));
  return button;
}

/** @param {{ from: string, to: string }} gap */
export function gap({ from, to }) {
  const element = make("div", { class: "gap", "data-from": from, "data-to": to });
  const [first, last] = [Date.parse(from), Date.parse(to)];
  const said = last - first < LONG_GAP_MS ? clock : short;
  const span = make("span", { title: `${utc(first)} to ${utc(last)}` }, `${said(first)} to ${said(last)}`);
  element.append(`Nobody listened for ${duration(last - first)}: `, span);
  return element;
}
