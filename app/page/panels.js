// What opens beside the log: its days, its activity, and the options.

import { activity } from "./activity.js";
import { calendar } from "./calendar.js";
import { choose, chosen } from "./choices.js";
import { make, part } from "./elements.js";
import { iso, local } from "./times.js";

/** @typedef {import("./view.js").View} View */

export class Panels {
  #daysButton = part("days-button", HTMLButtonElement);
  #activityButton = part("activity-button", HTMLButtonElement);
  #activity = part("activity", HTMLElement);
  #options = part("options-dialog", HTMLDialogElement);
  #by = [...document.querySelectorAll("[data-by]")];

  /** @param {View} view */
  constructor(view) {
    this.view = view;
    this.#daysButton.addEventListener("click", () => void this.days());
    this.#activityButton.addEventListener("click", () => this.toggleActivity());
    for (const button of this.#by) button.addEventListener("click", () => this.#count(button));
    part("options-button", HTMLButtonElement).addEventListener("click", () => this.options());
    part("time-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#go(new Date(part("time", HTMLInputElement).value).toISOString());
    });
    const theme = part("theme", HTMLSelectElement);
    theme.value = chosen("theme");
    theme.addEventListener("change", () => choose("theme", theme.value));
    const images = part("images", HTMLInputElement);
    images.checked = chosen("images") === "yes";
    images.addEventListener("change", () => {
      choose("images", images.checked ? "yes" : "no");
      void view.show(view.seen, "stay");
    });
  }

  options() {
    this.#options.showModal();
  }

  async days() {
    const { view } = this;
    if (!view.isLog) return;
    const dialog = part("days-dialog", HTMLDialogElement);
    const place = part("days", HTMLElement);
    const first = view.roll.first();
    const closed = new AbortController();
    dialog.addEventListener("close", () => closed.abort(), { once: true });
    part("time", HTMLInputElement).value = first ? local(first.ms) : "";
    dialog.showModal();
    const left = AbortSignal.any([view.signal, closed.signal]);
    await said(place, left, (signal) => calendar(place, view.seen, first ? iso(first.ms) : "", signal, (at) => this.#go(at)));
  }

  /** @param {string} at a time */
  #go(at) {
    part("days-dialog", HTMLDialogElement).close();
    void this.view.show({ ...this.view.seen, line: "", at });
  }

  toggleActivity() {
    if (!this.view.seen.channel) return;
    choose("activity", chosen("activity") === "yes" ? "no" : "yes");
    this.shown();
  }

  /** Another log is shown: offer what it has. */
  shown() {
    const { view } = this;
    const open = Boolean(view.seen.channel) && chosen("activity") === "yes";
    this.#daysButton.hidden = !view.isLog;
    this.#activityButton.hidden = !view.seen.channel;
    this.#activityButton.setAttribute("aria-expanded", String(open));
    this.#activity.hidden = !open;
    if (open && view.roll.newest) void this.#draw();
  }

  /** @param {Element} chosenButton */
  #count(chosenButton) {
    for (const button of this.#by) button.setAttribute("aria-pressed", String(button === chosenButton));
    void this.#draw();
  }

  async #draw() {
    const { view } = this;
    const place = part("activity-chart", HTMLElement);
    const pressed = this.#by.find((button) => button.getAttribute("aria-pressed") === "true");
    const by = pressed?.getAttribute("data-by") === "day" ? "day" : "hour";
    const ms = view.roll.first()?.ms ?? Date.now();
    await said(place, view.signal, (signal) => activity(place, view.seen, ms, by, signal));
  }
}

/** @type {WeakMap<HTMLElement, AbortController>} what is being asked for a place */
const asked = new WeakMap();

/**
 * Ask for something and show it in its place, or why it failed. What was asked before for that place comes no more.
 * @param {HTMLElement} place
 * @param {AbortSignal} left the view for which it is asked
 * @param {(signal: AbortSignal) => Promise<void>} deed
 */
async function said(place, left, deed) {
  asked.get(place)?.abort();
  const asking = new AbortController();
  asked.set(place, asking);
  const signal = AbortSignal.any([left, asking.signal]);
  try {
    await deed(signal);
  } catch (error) {
    if (signal.aborted) return;
    place.removeAttribute("aria-busy");
    place.replaceChildren(make("p", {}, /** @type {Error} */ (error).message));
  }
}
