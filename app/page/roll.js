// The rows that are in the document: a bounded window of pages, which moves along the log as the reader scrolls.
// It knows nothing of addresses and little of lines; pages and rows are made by those who hand it the functions.

import { built, dayRow, seams } from "./chunk.js";
import { make } from "./elements.js";
import { dayKey } from "./times.js";
import { before, since } from "./walk.js";

/**
 * @typedef {import("./api.js").Message} Message
 * @typedef {import("./walk.js").Page} Page
 * @typedef {import("./walk.js").Way} Way
 * @typedef {import("./chunk.js").Row} Row
 * @typedef {import("./chunk.js").Chunk} Chunk
 * @typedef {"older" | "newer"} Side
 */

/**
 * @typedef {object} Makers
 * @property {(way: Way, signal: AbortSignal) => Promise<Page>} read gives the page that a way leads to
 * @property {(message: Message) => HTMLElement} row makes the row of a line
 * @property {(gap: { from: string, to: string }) => HTMLElement} gap makes the row of a gap
 * @property {(byReader: boolean) => void} moved is told when other rows are seen
 * @property {(error: Error, again: () => void) => void} failed is told what went wrong
 */

export const MOST_ROWS = 800;
const FULL_CHUNK = 200; // live lines come one by one, and are dropped chunk by chunk like others
const AT_END_PX = 30;
const EMPTY_PAGES = 5; // of a search, one after the other, before the reader is asked

export class Roll {
  /** @type {Chunk[]} */ #chunks = [];
  /** @type {Map<string, Row>} */ #rows = new Map();
  /** @type {Record<Side, boolean>} */ #busy = { older: false, newer: false };
  /** @type {Record<Side, boolean>} */ #stopped = { older: false, newer: false };
  /** @type {Record<Side, number>} */ #empty = { older: 0, newer: 0 };
  /** @type {Record<Side, HTMLElement>} */ #edges;
  #aborted = new AbortController();
  #put = 0; // where we put the scroll position ourselves
  #sticks = false; // to the end
  #checking = false;

  /**
   * @param {HTMLElement} scroller what scrolls
   * @param {HTMLElement} list what holds the rows
   * @param {Makers} makers
   */
  constructor(scroller, list, makers) {
    this.scroller = scroller;
    this.list = list;
    this.makers = makers;
    this.#edges = { older: make("div", { class: "edge" }), newer: make("div", { class: "edge" }) };
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(scroller);
  }

  /** Whether the newest line is among the rows. */
  get reachesEnd() {
    return this.#chunks.length > 0 && this.#chunks[this.#chunks.length - 1].newer === null;
  }

  /** Whether the end is seen, and new lines push the old ones up. */
  get atEnd() {
    return this.reachesEnd && this.#sticks;
  }

  /** Whether the end is seen, be it by chance. */
  get seesEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return this.reachesEnd && scrollHeight - scrollTop - clientHeight < AT_END_PX;
  }

  /** Whether there is nothing, neither here nor further on. */
  get isEmpty() {
    return !this.#rows.size && this.#chunks.every(({ older, newer }) => !older && !newer);
  }

  /** @returns {Row | undefined} */
  get newest() {
    return this.#ends(-1).next().value;
  }

  /** @returns {Row | undefined} */
  get oldest() {
    return this.#ends(1).next().value;
  }

  /** @param {string} sent */
  find(sent) {
    return this.#rows.get(sent);
  }

  rows() {
    return this.#rows.values();
  }

  /** Forget all rows. */
  clear() {
    this.#aborted.abort();
    this.#aborted = new AbortController();
    this.#chunks = [];
    this.#rows.clear();
    this.#busy = { older: false, newer: false };
    this.#stopped = { older: false, newer: false };
    this.#empty = { older: 0, newer: 0 };
    this.list.replaceChildren();
    this.#sayBusy();
  }

  /**
   * Show pages that follow each other.
   * @param {Page[]} pages oldest first
   * @param {{ sent: string } | { ms: number } | "end"} at what is to be seen
   */
  open(pages, at) {
    this.clear();
    this.list.append(this.#edges.older, this.#edges.newer);
    for (const page of pages) this.#place(page, "newer");
    this.#sticks = at === "end";
    if (at === "end") this.#scrollTo(this.scroller.scrollHeight);
    else if ("sent" in at) this.reveal(at.sent);
    else this.#top(this.#gapAt(at.ms) ?? [...this.#ends(1)].find((row) => row.ms >= at.ms)?.element);
    this.#settle();
    this.#sayBusy();
  }

  /**
   * Add lines that were just said, each to its place in time.
   * @param {Message[]} messages
   * @returns {Row[]} those that were not there yet
   */
  add(messages) {
    const added = messages.filter(({ sent }) => !this.#rows.has(sent)).map((message) => this.#row(message));
    if (!added.length) return [];
    this.#keep(() => added.forEach((row) => this.#insert(row)));
    this.#settle();
    return added;
  }

  /** Put a row in the middle. @param {string} sent */
  reveal(sent) {
    const row = this.#rows.get(sent);
    if (!row) return undefined;
    this.#sticks = false;
    const box = row.element.getBoundingClientRect();
    const seen = this.scroller.getBoundingClientRect();
    this.#scrollTo(this.scroller.scrollTop + box.top - seen.top - (seen.height - box.height) / 2);
    return row;
  }

  toEnd() {
    this.#sticks = true;
    this.#scrollTo(this.scroller.scrollHeight);
    this.#settle();
  }

  /** The first row that is seen whole; of a row higher than the window, that one. */
  first() {
    const { top } = this.scroller.getBoundingClientRect();
    let last;
    for (const chunk of this.#chunks) {
      if (chunk.element.getBoundingClientRect().bottom <= top) continue;
      for (const row of chunk.rows) {
        const box = row.element.getBoundingClientRect();
        if (box.top >= top - 1) return box.top < top + this.scroller.clientHeight ? row : (last ?? row);
        last = row;
      }
    }
    return last;
  }

  /** Whether a row is seen, if only in part. @param {HTMLElement} element */
  sees(element) {
    const [box, seen] = [element.getBoundingClientRect(), this.scroller.getBoundingClientRect()];
    return box.bottom > seen.top && box.top < seen.bottom;
  }

  /** @param {number} step 1: from the oldest row on; -1: from the newest back @returns {Generator<Row, undefined>} */
  *#ends(step) {
    for (const { rows } of step > 0 ? this.#chunks : [...this.#chunks].reverse()) {
      yield* step > 0 ? rows : [...rows].reverse();
    }
  }

  /** @param {Message} message @returns {Row} */
  #row(message) {
    const row = { message, ms: Date.parse(message.timestamp), element: this.makers.row(message) };
    this.#rows.set(message.sent, row);
    return row;
  }

  /**
   * Put a page at one side. Of a page without new lines, only the way on is kept.
   * @param {Page} page
   * @param {Side} side
   */
  #place(page, side) {
    const neighbour = this.#chunks[side === "older" ? 0 : this.#chunks.length - 1];
    const rows = page.lines.filter(({ sent }) => !this.#rows.has(sent)).map((message) => this.#row(message));
    this.#empty[side] = rows.length ? 0 : this.#empty[side] + 1;
    if (neighbour && !rows.length && !page.gaps.length) {
      neighbour[side] = page[side];
      return;
    }
    const chunk = built(page, rows, this.makers.gap);
    if (side === "older") {
      this.#edges.older.after(chunk.element);
      this.#chunks.unshift(chunk);
    } else {
      this.#edges.newer.before(chunk.element);
      this.#chunks.push(chunk);
    }
    seams(this.#chunks, this.makers.gap);
  }

  /** @param {Row} row */
  #insert(row) {
    for (let at = this.#chunks.length - 1; at >= 0; at -= 1) {
      const chunk = this.#chunks[at];
      const place = chunk.rows.findLastIndex((other) => other.ms <= row.ms);
      if (place < 0 && at > 0) continue;
      const last = at === this.#chunks.length - 1 && place === chunk.rows.length - 1;
      if (last && (!chunk.rows.length || chunk.rows.length >= FULL_CHUNK)) break;
      if (place < 0) chunk.element.prepend(row.element);
      else chunk.rows[place].element.after(row.element);
      chunk.rows.splice(place + 1, 0, row);
      const previous = chunk.rows[place];
      if (previous && dayKey(previous.ms) !== dayKey(row.ms)) row.element.before(dayRow(row.ms));
      if (place < 0) seams(this.#chunks, this.makers.gap);
      return;
    }
    const chunk = { element: make("div", { class: "chunk" }, row.element), rows: [row], older: before(row.ms + 1), newer: null };
    this.#edges.newer.before(chunk.element);
    this.#chunks.push(chunk);
    seams(this.#chunks, this.makers.gap);
  }

  #scrolled() {
    const { scrollTop } = this.scroller;
    const byReader = Math.abs(scrollTop - this.#put) > 1;
    if (byReader) {
      this.#put = scrollTop;
      this.#sticks = this.seesEnd;
    }
    if (this.#checking) return;
    this.#checking = true;
    requestAnimationFrame(() => {
      this.#checking = false;
      this.makers.moved(byReader);
      this.#check();
    });
  }

  #resized() {
    if (this.atEnd) this.#scrollTo(this.scroller.scrollHeight);
    this.#check();
  }

  /** Drop what is too much and read what is near; then say that rows moved. */
  #settle() {
    this.#trim();
    this.#check();
    this.makers.moved(false);
  }

  /** Read on where the reader comes near the rows' end. */
  #check() {
    if (!this.#chunks.length) return;
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const reach = clientHeight * 2;
    if (scrollTop < reach) void this.#more("older");
    if (scrollHeight - scrollTop - clientHeight < reach) void this.#more("newer");
    this.#describe();
  }

  /** @param {Side} side */
  async #more(side) {
    const way = this.#end(side)[side];
    if (!way || this.#busy[side] || this.#stopped[side]) return;
    const { signal } = this.#aborted;
    this.#busy[side] = true;
    this.#sayBusy();
    try {
      const page = await this.makers.read(way, signal);
      if (signal.aborted) return;
      this.#busy[side] = false;
      this.#keep(() => this.#place(page, side));
      this.#stopped[side] = this.#empty[side] >= EMPTY_PAGES;
      if (side === "newer" && this.seesEnd) this.#sticks = true; // the reader waited there for what came
      this.#settle();
    } catch (error) {
      if (signal.aborted) return;
      this.#busy[side] = false;
      this.#stopped[side] = true;
      this.makers.failed(/** @type {Error} */ (error), () => this.#goOn(side));
    } finally {
      if (!signal.aborted) {
        this.#describe();
        this.#sayBusy();
      }
    }
  }

  #sayBusy() {
    this.scroller.setAttribute("aria-busy", String(this.#busy.older || this.#busy.newer));
  }

  /** @param {Side} side */
  #end(side) {
    return this.#chunks[side === "older" ? 0 : this.#chunks.length - 1];
  }

  /** @param {Side} side */
  #goOn(side) {
    this.#stopped[side] = false;
    this.#empty[side] = 0;
    this.#check();
  }

  /** Say at both edges what lies beyond. */
  #describe() {
    for (const side of /** @type {Side[]} */ (["older", "newer"])) {
      const edge = this.#edges[side];
      const state = !this.#end(side)[side] ? "end" : this.#stopped[side] ? "stopped" : "reading";
      if (edge.dataset.state === state) continue;
      edge.dataset.state = state;
      edge.textContent = state === "reading" ? "Reading …" : side === "older" ? "Nothing older is here." : "";
      if (state === "stopped") {
        const button = make("button", { type: "button" }, `Look further ${side === "older" ? "back" : "on"}`);
        button.addEventListener("click", () => this.#goOn(side));
        edge.replaceChildren(button);
      }
    }
  }

  /** Change rows without moving what the reader looks at. @param {() => void} change */
  #keep(change) {
    if (this.#sticks) {
      change();
      this.#scrollTo(this.scroller.scrollHeight);
      return;
    }
    const row = this.first();
    const top = row?.element.getBoundingClientRect().top ?? 0;
    change();
    if (row?.element.isConnected) {
      this.#scrollTo(this.scroller.scrollTop + row.element.getBoundingClientRect().top - top);
    }
  }

  /** Drop whole chunks, from the side that is farther from what is seen. */
  #trim() {
    while (this.#rows.size > MOST_ROWS && this.#chunks.length > 1) {
      const seen = this.scroller.getBoundingClientRect();
      const above = seen.top - this.#end("older").element.getBoundingClientRect().bottom;
      const below = this.#end("newer").element.getBoundingClientRect().top - seen.bottom;
      if (Math.max(above, below) <= 0) return;
      this.#drop(above > below ? "older" : "newer");
    }
  }

  /** @param {Side} side */
  #drop(side) {
    const chunk = side === "older" ? this.#chunks.shift() : this.#chunks.pop();
    if (!chunk) return;
    const end = this.#end(side);
    if (chunk.element.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
    this.#keep(() => {
      chunk.element.remove();
      for (const { message } of chunk.rows) this.#rows.delete(message.sent);
      seams(this.#chunks, this.makers.gap);
    });
    this.#stopped[side] = false;
    const row = side === "older" ? this.oldest : this.newest;
    if (row) end[side] ??= side === "older" ? before(row.ms + 1) : since(row.ms);
  }

  /** @param {number} top */
  #scrollTo(top) {
    this.scroller.scrollTop = top;
    this.#put = this.scroller.scrollTop;
  }

  /** The gap in which a time lies: what is to be seen of a time at which nobody listened. @param {number} ms */
  #gapAt(ms) {
    const gaps = [.../** @type {NodeListOf<HTMLElement>} */ (this.list.querySelectorAll(".gap"))];
    return gaps.find(({ dataset }) => Date.parse(dataset.from ?? "") <= ms && ms < Date.parse(dataset.to ?? ""));
  }

  /** @param {HTMLElement | undefined} element */
  #top(element) {
    if (!element) {
      this.#scrollTo(this.scroller.scrollHeight);
      return;
    }
    const seen = this.scroller.getBoundingClientRect();
    this.#scrollTo(this.scroller.scrollTop + element.getBoundingClientRect().top - seen.top);
  }
}
