// A text in pieces: emotes, links, and what was searched for. Everything counts in code points, as Twitch does.

/** @typedef {{ text: string, emote?: string, url?: string, found: boolean }} Piece */

/**
 * @param {string} text what was said
 * @param {string} emotes the tag, as in `25:0-4,6-10/1902:12-16`
 * @param {string} needle what was searched for, or nothing
 * @returns {Piece[]}
 */
export function pieces(text, emotes, needle) {
  const points = Array.from(text);
  /** @type {(string | undefined)[]} */
  const emote = new Array(points.length);
  /** @type {(string | undefined)[]} */
  const url = new Array(points.length);
  /** @type {boolean[]} */
  const found = new Array(points.length).fill(false);
  const cuts = new Set([0]);
  for (const [id, first, last] of emotePlaces(emotes, points.length)) {
    emote.fill(id, first, last);
    cuts.add(first).add(last);
  }
  for (const [address, first, last] of links(text, points)) {
    if (emote.slice(first, last).some(Boolean)) continue;
    url.fill(address, first, last);
    cuts.add(first).add(last);
  }
  for (const [first, last] of occurrences(points, needle)) {
    found.fill(true, first, last);
    cuts.add(first).add(last);
  }
  const places = [...cuts].filter((place) => place < points.length).sort((a, b) => a - b);
  return places.map((place, number) => ({
    text: points.slice(place, places[number + 1]).join(""),
    emote: emote[place],
    url: url[place],
    found: found[place],
  }));
}

/**
 * Where the emotes stand; what lies outside of the text, as Twitch sometimes sends, is left out.
 * @param {string} emotes
 * @param {number} length
 * @returns {Generator<[string, number, number]>}
 */
function* emotePlaces(emotes, length) {
  for (const each of emotes ? emotes.split("/") : []) {
    const [id, ranges = ""] = each.split(":");
    if (!/^\w+$/.test(id)) continue;
    for (const range of ranges.split(",")) {
      const [first, last] = range.split("-").map(Number);
      if (first >= 0 && last >= first && last < length) yield [id, first, last + 1];
    }
  }
}

/**
 * @param {string} text
 * @param {string[]} points
 * @returns {Generator<[string, number, number]>}
 */
function* links(text, points) {
  if (!text.includes("://")) return;
  let start = 0;
  for (const word of points.join("").split(" ")) {
    const length = Array.from(word).length;
    if (/^https?:\/\/[^\s<>"]+$/i.test(word) && URL.canParse(word)) yield [new URL(word).href, start, start + length];
    start += length + 1;
  }
}

/**
 * Where a needle stands, in any case. Folding may lengthen a text (ß, İ), so each folded unit knows where it is from.
 * @param {string[]} points
 * @param {string} needle
 * @returns {Generator<[number, number]>}
 */
function* occurrences(points, needle) {
  const wanted = fold(needle);
  if (!wanted) return;
  let folded = "";
  /** @type {number[]} */
  const from = [];
  points.forEach((point, number) => {
    const unit = fold(point);
    folded += unit;
    for (let i = 0; i < unit.length; i += 1) from.push(number);
  });
  for (let at = folded.indexOf(wanted); at >= 0; at = folded.indexOf(wanted, at + wanted.length)) {
    yield [from[at], from[at + wanted.length - 1] + 1];
  }
}

/** Upper case first, so that ß is found as ss, as the service does. @param {string} text */
const fold = (text) => text.toUpperCase().toLowerCase();
