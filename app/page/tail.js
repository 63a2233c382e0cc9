// What is said while the end of a log is read: it is followed, put in its place, and what it removes is marked.

import { NOTHING } from "./address.js";
import { part } from "./elements.js";
import { removed } from "./line.js";
import { follow } from "./live.js";
import { unpoint } from "./view.js";
import { page, since } from "./walk.js";

/** @typedef {import("./api.js").Message} Message */

const REMOVERS = ["clearchat", "clearmsg"]; // the types of what removes lines
const LATE_MS = 10000; // so much later than others a line may become visible
const REACH_MS = 6 * 3600000; // how far back an event removes lines, as the service reckons
const MISSED_LINES = 1000;
const MOST_MISSED_PAGES = 5;

export class Tail {
  #newest = part("newest", HTMLButtonElement);
  #live = part("live", HTMLElement);
  /** @type {(() => void) | null} */
  #unfollow = null;
  #unseen = 0;
  #heard = 0; // up to when what removes lines was heard, Unix milliseconds

  /** @param {import("./view.js").View} view */
  constructor(view) {
    this.view = view;
    this.#newest.addEventListener("click", () => this.toNewest());
  }

  /** Follow while the newest line is among the rows; offer a way to it where it is not seen. */
  attend() {
    const { view, view: { roll, seen } } = this;
    if (roll.reachesEnd && seen.channel && !seen.q && seen.include !== "deleted") this.#follow();
    else this.#stop();
    if (roll.atEnd) this.#unseen = 0;
    this.#newest.hidden = !view.isLog || !roll.newest || roll.atEnd || roll.seesEnd;
    const lines = this.#unseen === 1 ? "1 new line" : `${this.#unseen} new lines`;
    this.#newest.textContent = `${this.#unseen ? lines : "Newest lines"} ↓`;
  }

  /** The view is left. */
  leave() {
    this.#stop();
    this.#unseen = 0;
    this.#heard = Date.now();
    this.#newest.hidden = true;
  }

  toNewest() {
    const { view } = this;
    const seen = { ...view.seen, at: "", line: "" };
    if (!view.roll.reachesEnd) return void view.show(seen);
    unpoint(view.roll.find(view.seen.line)?.element);
    view.readdress(seen, "replace");
    view.roll.toEnd();
    view.log.focus({ preventScroll: true });
  }

  #follow() {
    this.#unfollow ??= follow(this.view.seen.channel, {
      lines: (messages) => this.#said(messages),
      opened: () => void this.#missed(),
      state: (live) => {
        this.#live.hidden = !live;
      },
    });
  }

  #stop() {
    this.#unfollow?.();
    this.#unfollow = null;
  }

  /** @param {Message[]} messages */
  #said(messages) {
    const { roll } = this.view;
    if (!roll.reachesEnd) return;
    this.view.log.setAttribute("aria-live", roll.atEnd ? "polite" : "off");
    this.#take(messages.filter((message) => this.#isWanted(message)), messages);
    const newest = Math.max(...messages.map(({ timestamp }) => Date.parse(timestamp)));
    this.#heard = Math.max(this.#heard, Math.min(newest, Date.now()));
  }

  /**
   * Put lines among the rows, count them for who does not see them, and mark what was removed.
   * @param {Message[]} messages
   * @param {Message[]} events among which are those that remove lines
   */
  #take(messages, events) {
    const { view, view: { roll } } = this;
    const wasEmpty = roll.isEmpty;
    const added = roll.add(messages);
    if (wasEmpty && added.length) view.tell("");
    for (const event of events) this.#removes(event);
    if (!roll.atEnd) this.#unseen += added.length;
    this.attend();
  }

  /** @param {Message} message */
  #isWanted(message) {
    const { user, type } = this.view.seen;
    return (!user || this.view.isBy(message)) && (!type || type.split(",").includes(message.type));
  }

  /** Mark the lines that an event removes. @param {Message} event */
  #removes({ type, tags, timestamp }) {
    if (!REMOVERS.includes(type)) return;
    const target = tags[type === "clearmsg" ? "target-msg-id" : "target-user-id"];
    const by = type === "clearmsg" ? "clearmsg" : !target ? "clear" : tags["ban-duration"] ? "timeout" : "ban";
    const at = Date.parse(timestamp);
    for (const { message, ms, element } of this.view.roll.rows()) {
      const hit = type === "clearmsg" ? message.id === target : !target || message.user.id === target;
      if (!hit || message.type !== "privmsg" || ms > at || ms < at - REACH_MS) continue;
      removed(element, by, timestamp);
      element.hidden = this.view.seen.include === "kept";
    }
  }

  /** Read what was said, and what was removed, before the stream began or while it was broken. */
  async #missed() {
    const { view, view: { signal, seen, roll } } = this;
    const ms = (roll.newest?.ms ?? Date.now()) - LATE_MS;
    try {
      let all = await this.#read(seen, ms, (lines) => this.#take(lines, lines));
      if (seen.user || seen.type) {
        // What removes lines need not be among those that are wanted.
        const events = { ...NOTHING, channel: seen.channel, type: REMOVERS.join(",") };
        all = (await this.#read(events, this.#heard - LATE_MS, (lines) => this.#take([], lines))) && all;
      }
      if (!all) await view.show({ ...seen, at: "", line: "" }, "replace");
    } catch (error) {
      if (!signal.aborted) view.say(/** @type {Error} */ (error), () => void this.#missed());
    }
  }

  /**
   * Read lines up to now, unless there are too many.
   * @param {import("./address.js").Seen} seen
   * @param {number} ms since when
   * @param {(lines: Message[]) => void} take
   * @returns {Promise<boolean>} whether that was all that is wanted
   */
  async #read(seen, ms, take) {
    const { signal, roll } = this.view;
    /** @type {import("./walk.js").Way | null} */
    let way = since(ms);
    for (let pages = 0; way && pages < MOST_MISSED_PAGES; pages += 1) {
      const found = await page(seen, way, MISSED_LINES, signal);
      if (signal.aborted || !roll.reachesEnd) return true;
      take(found.lines);
      way = found.newer;
    }
    return !way;
  }
}
