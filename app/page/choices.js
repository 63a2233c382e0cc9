// What a reader chose for this browser: kept here, and sent nowhere.

const USUAL = { theme: "auto", images: "no", activity: "no" };

/** @typedef {keyof typeof USUAL} Choice */

/** @param {Choice} name @returns {string} */
export function chosen(name) {
  try {
    return localStorage.getItem(`logstv.${name}`) ?? USUAL[name];
  } catch {
    return USUAL[name]; // a browser may keep nothing
  }
}

/** @param {Choice} name @param {string} value */
export function choose(name, value) {
  try {
    localStorage.setItem(`logstv.${name}`, value);
  } catch {
    // Then it holds until the page is left.
  }
  if (name === "theme") applyTheme(value);
}

export function applyTheme(theme = chosen("theme")) {
  document.documentElement.dataset.theme = theme;
}
