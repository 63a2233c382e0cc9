// A page of a log as it stands in the document: its rows, between them the gaps and the days.

import { make } from "./elements.js";
import { day, dayKey } from "./times.js";

/**
 * @typedef {import("./walk.js").Page} Page
 * @typedef {import("./walk.js").Way} Way
 * @typedef {{ message: import("./api.js").Message, ms: number, element: HTMLElement }} Row
 * @typedef {{ element: HTMLElement, rows: Row[], older: Way | null, newer: Way | null }} Chunk
 * @typedef {(gap: { from: string, to: string }) => HTMLElement} GapMaker
 */

/**
 * @param {Page} page
 * @param {Row[]} rows of those of its lines that are shown
 * @param {GapMaker} gapRow
 * @returns {Chunk}
 */
export function built(page, rows, gapRow) {
  const element = make("div", { class: "chunk" });
  const gaps = page.gaps.map((gap) => ({ ms: Date.parse(gap.from), row: gapRow(gap) }));
  let key = NaN;
  for (const row of rows) {
    while (gaps.length && gaps[0].ms <= row.ms) element.append(gaps.splice(0, 1)[0].row);
    if (!Number.isNaN(key) && key !== dayKey(row.ms)) element.append(dayRow(row.ms));
    key = dayKey(row.ms);
    element.append(row.element);
  }
  element.append(...gaps.map(({ row }) => row));
  return { element, rows, older: page.older, newer: page.newer };
}

/**
 * Between neighbours: say the day where it changes, and make two halves of a gap one.
 * @param {Chunk[]} chunks oldest first
 * @param {GapMaker} gapRow
 */
export function seams(chunks, gapRow) {
  let key = NaN;
  /** @type {Element | null} */
  let above = null;
  for (const { element, rows } of chunks) {
    if (element.firstElementChild?.classList.contains("day")) element.firstElementChild.remove();
    join(above, element.firstElementChild, gapRow);
    if (rows.length) {
      if (key !== dayKey(rows[0].ms)) element.prepend(dayRow(rows[0].ms));
      key = dayKey(rows[rows.length - 1].ms);
    }
    above = element.lastElementChild ?? above;
  }
}

/** @param {Element | null} above @param {Element | null} below @param {GapMaker} gapRow */
function join(above, below, gapRow) {
  if (!(above instanceof HTMLElement && below instanceof HTMLElement)) return;
  const [from, end] = [above.dataset.from, above.dataset.to];
  const [begin, to] = [below.dataset.from, below.dataset.to];
  if (!from || !end || !begin || !to || end < begin) return;
  above.replaceWith(gapRow({ from, to: to > end ? to : end }));
  below.remove();
}

/** @param {number} ms */
export const dayRow = (ms) => make("div", { class: "day" }, day(ms));
