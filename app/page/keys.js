// What the keyboard does.

/**
 * @typedef {object} Deeds
 * @property {(step: number) => void} step to a line further on or back
 * @property {() => void} open the line that has the focus
 * @property {() => void} author the log of who wrote it
 * @property {() => void} search
 * @property {() => void} leave what is open or chosen
 * @property {() => void} newest
 * @property {() => void} days
 * @property {() => void} activity
 * @property {() => void} help
 */

/** @param {HTMLElement} log @param {Deeds} deeds */
export function keys(log, deeds) {
  /** @type {Record<string, () => void>} */
  const anywhere = {
    j: () => deeds.step(1),
    k: () => deeds.step(-1),
    "/": deeds.search,
    Escape: deeds.leave,
    G: deeds.newest,
    d: deeds.days,
    a: deeds.activity,
    u: deeds.author,
    "?": deeds.help,
  };
  /** @type {Record<string, () => void>} */
  const inLog = {
    ArrowDown: () => deeds.step(1),
    ArrowUp: () => deeds.step(-1),
    End: deeds.newest,
  };
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (target.matches("input, select")) {
      if (event.key === "Escape") log.focus();
      return;
    }
    let deed = anywhere[event.key] ?? (log.contains(target) ? inLog[event.key] : undefined);
    if (event.key === "Enter" && target.matches(".line")) deed = deeds.open;
    if (!deed) return;
    event.preventDefault();
    deed();
  });
}
