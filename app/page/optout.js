// The form for opting out: a code, where to say it, and what happens then.

import { ask } from "./api.js";
import { make, part } from "./elements.js";
import { clock, utc } from "./times.js";

/** @typedef {{ code: string, expires: string, say: { user: string, channel: string } }} Code */

export const OPT_OUT = "#opt-out";
/** So many of the chats in which a code can be said are named. */
const NAMED = 12;

export class Optout {
  #dialog = part("optout-dialog", HTMLDialogElement);
  #form = part("optout-form", HTMLFormElement);
  #said = part("optout-said", HTMLElement);
  /** @type {{ code: Code, reading: string[] } | null} */
  #given = null;
  #left = new AbortController();

  constructor() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#give();
    });
    this.#form.addEventListener("change", () => this.#show());
    this.#dialog.addEventListener("close", () => this.#forget());
  }

  open() {
    for (const other of document.querySelectorAll("dialog")) other.close();
    this.#dialog.showModal();
  }

  /** A code is good for minutes: none waits behind a closed dialog. The address of the form leads to it no more. */
  #forget() {
    this.#left.abort();
    this.#given = null;
    this.#said.replaceChildren();
    if (location.hash === OPT_OUT) history.replaceState(null, "", location.pathname + location.search);
  }

  async #give() {
    this.#left.abort();
    this.#left = new AbortController();
    const { signal } = this.#left;
    try {
      const [code, { channels }] = await Promise.all([ask("optout", {}, signal, "POST"), ask("channels", {}, signal)]);
      const read = channels.filter((/** @type {import("./home.js").Channel} */ { reading }) => reading);
      this.#given = { code, reading: read.map((/** @type {import("./home.js").Channel} */ { id, login }) => `#${login || id}`) };
      this.#show();
    } catch (error) {
      if (!signal.aborted) this.#said.replaceChildren(make("p", {}, /** @type {Error} */ (error).message));
    }
  }

  #show() {
    if (!this.#given) return;
    const { code, reading } = this.#given;
    const channel = new FormData(this.#form).get("of") === "channel";
    const sentence = channel ? code.say.channel : code.say.user;
    const where = channel ? "As the broadcaster, say this in your channel's chat" : "Say this in a chat that is read here";
    const expires = Date.parse(code.expires);
    const until = make("time", { datetime: code.expires, title: utc(expires) }, clock(expires));
    this.#said.replaceChildren(
      make("p", {}, `${where}, with nothing before or after it:`),
      make("p", { class: "say" }, make("code", {}, sentence), ...copier(sentence)),
      make("p", {}, "It is good once, until ", until, ". Nothing answers in the chat: the log is gone from here seconds later."),
      ...(channel ? [] : [make("p", { class: "soft" }, named(reading))]),
    );
    this.#said.scrollIntoView({ block: "nearest" });
  }
}

/** @param {string[]} reading the chats in which a code would be heard */
function named(reading) {
  if (!reading.length) return "No chat is read at this moment: the code would not be heard.";
  const more = reading.length - NAMED;
  return `Read now: ${reading.slice(0, NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}.`;
}

/** A button that copies, where the browser lets a page do that. @param {string} sentence */
function copier(sentence) {
  if (!navigator.clipboard) return [];
  const button = make("button", { type: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(sentence);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed: please select it";
    }
  });
  return [button];
}
