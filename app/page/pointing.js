// The line that is pointed at, by a click, a key, a reply or the address; and the address of what is seen.

import { NOTHING, write } from "./address.js";
import { ask, pathOf } from "./api.js";
import { iso } from "./times.js";
import { point, unpoint } from "./view.js";

/** @typedef {import("./view.js").View} View */

const SETTLED_MS = 250; // browsers refuse an address that changes too often
const LOOK_BACK_MS = 86400000;

export class Pointing {
  #timer = 0;

  /** @param {View} view */
  constructor(view) {
    this.view = view;
    view.log.addEventListener("click", (event) => this.#clicked(event));
  }

  /** Lead to a line with its surroundings; where they are seen already, mark it. @param {string} sent */
  to(sent) {
    const { view } = this;
    const row = view.roll.find(sent);
    if (!row) return;
    if (!view.isWhole) {
      const channel = view.seen.channel || `id:${row.message.channel.id}`;
      void view.show({ ...NOTHING, channel, line: sent });
      return;
    }
    this.#unmark();
    const next = { ...view.seen, line: sent, at: "" };
    if (write(next) !== write(view.seen)) view.readdress(next, "push");
    point(row.element);
  }

  /** The reader scrolled: soon the address says where to. */
  moved() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#keepAddress(), SETTLED_MS);
  }

  /** Point at no line. */
  release() {
    this.#unmark();
    this.view.seen = { ...this.view.seen, line: "" };
    this.#keepAddress();
  }

  /** The view is left. */
  leave() {
    clearTimeout(this.#timer);
  }

  /** Put the focus on a line further on or back. @param {number} step */
  step(step) {
    const { log, roll } = this.view;
    const rows = [...log.querySelectorAll(".line:not([hidden])")];
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const next = at >= 0 ? rows[at + step] : (roll.find(this.view.seen.line)?.element ?? roll.first()?.element);
    if (!(next instanceof HTMLElement)) return;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  /** The row that has the focus, or in which something has it. */
  get focused() {
    return document.activeElement?.closest(".line") ?? null;
  }

  #keepAddress() {
    const { view, view: { roll, seen } } = this;
    const first = roll.first();
    if (!first) return;
    const pointed = seen.line ? roll.find(seen.line)?.element : undefined;
    if (pointed && roll.sees(pointed)) return;
    this.#unmark();
    view.readdress({ ...seen, line: "", at: roll.atEnd ? "" : iso(first.ms) }, "replace");
  }

  #unmark() {
    unpoint(this.view.roll.find(this.view.seen.line)?.element);
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const target = /** @type {Element} */ (event.target);
    const reply = target.closest("button.reply");
    if (reply instanceof HTMLElement) return void this.#answered(reply);
    const row = target.closest(".line");
    const link = target.closest("a");
    // Another link leads elsewhere, and who selects text does not click.
    if (!row || (link && !link.matches(".time")) || String(getSelection())) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.to(row.getAttribute("data-sent") ?? "");
  }

  /** Go to the line that another answers: among the rows, or in the day before it. @param {HTMLElement} reply */
  async #answered(reply) {
    const { view, view: { roll, seen, signal } } = this;
    const { id = "", thread = "" } = reply.dataset;
    const from = roll.find(reply.closest(".line")?.getAttribute("data-sent") ?? "");
    if (!from) return;
    const there = [...roll.rows()].find(({ message }) => message.id === id);
    if (there && view.isWhole) {
      this.to(there.message.sent);
      roll.reveal(there.message.sent)?.element.focus({ preventScroll: true });
      return;
    }
    const channel = seen.channel || `id:${from.message.channel.id}`;
    const path = pathOf({ channel, user: "" }, `threads/${encodeURIComponent(thread)}`);
    try {
      const { messages } = await ask(path, { from: iso(from.ms - LOOK_BACK_MS), to: iso(from.ms + 1) }, signal);
      const found = messages.find((/** @type {import("./api.js").Message} */ message) => message.id === id);
      if (found) void view.show({ ...NOTHING, channel, line: found.sent });
      else view.tell("The line that this answers is not in the log of the day before it.");
    } catch (error) {
      if (!signal.aborted) view.say(/** @type {Error} */ (error), () => void this.#answered(reply));
    }
  }
}
