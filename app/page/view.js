// The log that is shown, and its address: a view begins, is read, and is left for another.

import { NOTHING, write } from "./address.js";
import { ask, Problem } from "./api.js";
import { chosen } from "./choices.js";
import { make, part } from "./elements.js";
import { home } from "./home.js";
import { gap, line } from "./line.js";
import { Roll } from "./roll.js";
import { timeOf } from "./times.js";
import { bothSides, context, NEWEST, page } from "./walk.js";

/** @typedef {import("./address.js").Seen} Seen */
/** @typedef {import("./api.js").Message} Message */

/**
 * @typedef {object} Listener
 * @property {() => void} left is told that a view ends
 * @property {() => void} begun is told that another begins
 * @property {() => void} shown is told that its lines are there
 * @property {(byReader: boolean) => void} moved is told that other lines are seen
 */

const FIRST_LINES = 100;
const MORE_LINES = 200;

export class View {
  /** @type {Seen} */
  seen = NOTHING;
  log = part("log", HTMLElement);
  #status = part("status", HTMLElement);
  #home = part("home", HTMLElement);
  #left = new AbortController();

  /** @param {Listener} listener */
  constructor(listener) {
    this.listener = listener;
    this.roll = new Roll(this.log, part("rows", HTMLElement), {
      read: (way, signal) => {
        // What scrolling brings is not to be read out; see tail.js for what is.
        this.log.setAttribute("aria-live", "off");
        return page(this.seen, way, MORE_LINES, signal);
      },
      row: (message) => this.#row(message),
      gap,
      moved: (byReader) => listener.moved(byReader),
      failed: (error, again) => this.say(error, again),
    });
  }

  /** Ends what is asked for this view when it is left. */
  get signal() {
    return this.#left.signal;
  }

  /** Whether it is a log, not the list of the channels. */
  get isLog() {
    return Boolean(this.seen.channel || this.seen.user);
  }

  /** Whether all lines of a channel are shown, so that a line has its surroundings. */
  get isWhole() {
    const { channel, user, q, type, include } = this.seen;
    return Boolean(channel && !user && !q && !type && include === "all");
  }

  /**
   * Show something else, and lead the address there.
   * @param {Seen} next
   * @param {"push" | "replace" | "stay"} [how] the address changes
   */
  async show(next, how = "push") {
    this.#left.abort();
    this.#left = new AbortController();
    this.listener.left();
    this.roll.clear();
    this.readdress(next, how);
    this.log.hidden = !this.isLog;
    this.#home.hidden = this.isLog;
    this.listener.begun();
    const { signal } = this;
    this.tell("Reading …");
    this.log.setAttribute("aria-busy", "true"); // until the roll has its first rows
    try {
      await (this.isLog ? this.#open(signal) : this.#showHome(signal));
      if (!signal.aborted) this.listener.shown();
    } catch (error) {
      if (signal.aborted) return;
      this.log.setAttribute("aria-busy", "false");
      this.say(/** @type {Error} */ (error), () => void this.show(this.seen, "stay"));
    }
  }

  /**
   * Say otherwise what is shown already.
   * @param {Seen} next
   * @param {"push" | "replace" | "stay"} how the address changes
   */
  readdress(next, how) {
    this.seen = next;
    if (how === "push") history.pushState(null, "", write(next));
    if (how === "replace") history.replaceState(null, "", write(next));
  }

  /** @param {string} sentence */
  tell(sentence) {
    this.#status.textContent = sentence;
  }

  /**
   * Say what went wrong, and offer to try again where that may help.
   * @param {Error} error
   * @param {() => void} again
   */
  say(error, again) {
    this.tell(`${error.message} `);
    if (!(error instanceof Problem)) console.error(error);
    else if (error.status && error.status < 429) return;
    const button = make("button", { type: "button" }, "Try again");
    button.addEventListener("click", () => {
      this.tell("");
      again();
    });
    this.#status.append(button);
  }

  /**
   * Whether a line is in the log of the user who is looked at. Of a deleted message only the login is known, so none is.
   * @param {Message} message
   */
  isBy({ user }) {
    return user.id !== "" && (this.seen.user.toLowerCase() === user.login || this.seen.user === `id:${user.id}`);
  }

  /** @param {AbortSignal} signal */
  async #open(signal) {
    const { seen, roll } = this;
    const ms = seen.line ? timeOf(seen.line) : seen.at ? Date.parse(seen.at) : null;
    if (seen.line && ms === null) throw new Problem(404, "This address names no line: after line= comes a line's key.");
    const around = seen.line && this.isWhole;
    const pages = around
      ? [await context(seen, FIRST_LINES / 2, signal)]
      : ms !== null
        ? await bothSides(seen, ms, FIRST_LINES, signal)
        : [await page(seen, NEWEST, FIRST_LINES, signal)];
    if (signal.aborted) return;
    roll.open(pages, seen.line ? { sent: seen.line } : ms !== null ? { ms } : "end");
    this.tell(roll.isEmpty ? "No such lines are here." : "");
    if (seen.line) roll.find(seen.line)?.element.focus({ preventScroll: true });
  }

  /** @param {AbortSignal} signal */
  async #showHome(signal) {
    const { channels } = await ask("channels", {}, signal);
    home(this.#home, channels);
    this.tell("");
  }

  /** @param {Message} message */
  #row(message) {
    const element = line(message, this.seen, chosen("images") === "yes");
    if (message.sent === this.seen.line) point(element);
    return element;
  }
}

/** Mark a row as the one that the address names. @param {HTMLElement} row */
export function point(row) {
  row.classList.add("chosen");
  row.setAttribute("aria-current", "true");
}

/** Take that mark away again. @param {HTMLElement | undefined} row */
export function unpoint(row) {
  row?.classList.remove("chosen");
  row?.removeAttribute("aria-current");
}
