// The channels that have a log: where a reader begins.

import { write } from "./address.js";
import { make } from "./elements.js";
import { OPT_OUT } from "./optout.js";
import { short } from "./times.js";

/** @typedef {{ id: string, login: string, firstDay: string | null, lastLine: string | null, reading: boolean }} Channel */

/** @param {HTMLElement} place @param {Channel[]} channels */
export function home(place, channels) {
  const list = make("ul", { class: "channels" });
  for (const { id, login, firstDay, lastLine, reading } of channels) {
    const item = make("li", {}, make("a", { href: write({ channel: login || `id:${id}` }) }, `#${login || id}`));
    const said = lastLine ? `last line ${short(Date.parse(lastLine))}` : "no line yet";
    item.append(make("span", {}, firstDay ? `since ${firstDay}` : ""), make("span", {}, said));
    item.append(make("span", { class: reading ? "reading" : "" }, reading ? "being read" : ""));
    list.append(item);
  }
  const none = "No channel has a log yet: logstv channels add NAME has one read.";
  const leave = make("p", { class: "soft" }, "Are you in a log and would rather not be? ", make("a", { href: OPT_OUT }, "Opt out"), ".");
  place.replaceChildren(channels.length ? list : make("p", {}, none), leave);
}

/** @param {HTMLElement} place the suggestions of a field @param {Channel[]} channels */
export function suggest(place, channels) {
  place.replaceChildren(...channels.map(({ login }) => make("option", { value: login })));
}
