// The colours of names, made readable: moved towards white on dark ground and towards black on light ground.

const ON_DARK = [24, 26, 31]; // --ground of page.css, where it is lightest and darkest
const ON_LIGHT = [240, 238, 234];
const ENOUGH = 4.8; // WCAG 2 asks for 4.5
const USUAL = ["#ff4500", "#1e90ff", "#2e8b57", "#daa520", "#8a2be2", "#ff69b4", "#5f9ea0", "#d2691e", "#b22222"];

/** @type {Map<string, { onDark: string, onLight: string }>} */
const known = new Map();

/**
 * @param {string} color as Twitch gives it, `#RRGGBB`, or nothing
 * @param {string} login chooses a colour for those who have none
 */
export function readable(color, login) {
  if (!/^#[0-9a-f]{6}$/i.test(color)) {
    const sum = Array.from(login).reduce((total, point) => total + (point.codePointAt(0) ?? 0), 0);
    color = USUAL[sum % USUAL.length];
  }
  let found = known.get(color);
  if (!found) {
    const rgb = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
    found = { onDark: moved(rgb, 255, ON_DARK), onLight: moved(rgb, 0, ON_LIGHT) };
    if (known.size > 5000) known.clear();
    known.set(color, found);
  }
  return found;
}

/**
 * @param {number[]} rgb
 * @param {number} towards white or black
 * @param {number[]} ground
 */
function moved(rgb, towards, ground) {
  for (let share = 0; ; share += 0.04) {
    const mixed = rgb.map((part) => Math.round(part + (towards - part) * Math.min(share, 1)));
    if (contrast(mixed, ground) >= ENOUGH || share >= 1) return `rgb(${mixed.join(" ")})`;
  }
}

/** @param {number[]} one @param {number[]} other */
function contrast(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

/** As WCAG 2 defines it. @param {number[]} rgb */
function luminance(rgb) {
  const [r, g, b] = rgb.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
