// What is said while the end of a log is read: it is followed, put in its place, and what it removes is marked.

import { part } from "./elements.js";
import { removed } from "./line.js";
import { follow } from "./live.js";
import { page, since } from "./walk.js";

/** @typedef {import("./api.js").Message} Message */

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
    this.#newest.hidden = true;
  }

  toNewest() {
    const { view } = this;
    const seen = { ...view.seen, at: "", line: "" };
    if (!view.roll.reachesEnd) return void view.show(seen);
    view.roll.find(view.seen.line)?.element.classList.remove("chosen");
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
    const added = this.#add(messages.filter((message) => this.#isWanted(message)));
    for (const message of messages) this.#removes(message);
    if (!roll.atEnd) this.#unseen += added.length;
    this.attend();
  }

  /** @param {Message[]} messages */
  #add(messages) {
    const { view, view: { roll } } = this;
    const wasEmpty = roll.isEmpty;
    const added = roll.add(messages);
    if (wasEmpty && added.length) view.tell("");
    return added;
  }

  /** @param {Message} message */
  #isWanted(message) {
    const { user, type } = this.view.seen;
    return (!user || this.view.isBy(message)) && (!type || type.split(",").includes(message.type));
  }

  /** Mark the lines that an event removes. @param {Message} event */
  #removes({ type, tags, timestamp }) {
    if (type !== "clearchat" && type !== "clearmsg") return;
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

  /** Read what was said before the stream began, or while it was broken. */
  async #missed() {
    const { view, view: { signal, seen, roll } } = this;
    /** @type {import("./walk.js").Way | null} */
    let way = since((roll.newest?.ms ?? Date.now()) - LATE_MS);
    try {
      for (let pages = 0; way && pages < MOST_MISSED_PAGES; pages += 1) {
        const found = await page(seen, way, MISSED_LINES, signal);
        if (signal.aborted || !roll.reachesEnd) return;
        this.#add(found.lines);
        way = found.newer;
      }
      if (way) await view.show({ ...seen, at: "", line: "" }, "replace");
    } catch (error) {
      if (!signal.aborted) view.say(/** @type {Error} */ (error), () => void this.#missed());
    }
  }
}
