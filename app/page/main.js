// Ties the parts together: what the address says is shown, and what a reader does reaches the part that does it.

import { read } from "./address.js";
import { ask } from "./api.js";
import { applyTheme } from "./choices.js";
import { part } from "./elements.js";
import { suggest } from "./home.js";
import { keys } from "./keys.js";
import { OPT_OUT, Optout } from "./optout.js";
import { Panels } from "./panels.js";
import { Pointing } from "./pointing.js";
import { Tail } from "./tail.js";
import { day } from "./times.js";
import { View } from "./view.js";

const pick = part("pick", HTMLFormElement);
const view = new View({ left, begun, shown, moved });
const tail = new Tail(view);
const pointing = new Pointing(view);
const panels = new Panels(view);
const optout = new Optout();

function left() {
  tail.leave();
  pointing.leave();
}

/** Fill the fields; only now, since a reader may already ask for something else when the lines come. */
function begun() {
  for (const [field, value] of Object.entries(view.seen)) {
    const input = pick.elements.namedItem(field);
    if (input instanceof HTMLInputElement || input instanceof HTMLSelectElement) input.value = value;
  }
  shown();
}

/** Say what is shown, with the names that its lines have. */
function shown() {
  const { seen, roll } = view;
  const channel = seen.channel && `#${roll.newest?.message.channel.login ?? seen.channel}`;
  const own = seen.user && [...roll.rows()].find(({ message }) => view.isBy(message));
  const user = own ? own.message.user.displayName : seen.user;
  const name = user ? `${user} ${channel ? `in ${channel}` : "everywhere"}` : channel;
  part("heading", HTMLElement).textContent = name || "Channels";
  part("home-link", HTMLElement).hidden = !name;
  document.title = name ? `${name} · logstv` : "logstv";
  view.log.setAttribute("aria-label", `Chat: ${name}`);
  panels.shown();
}

/** @param {boolean} byReader */
function moved(byReader) {
  const first = view.roll.first();
  part("day", HTMLElement).textContent = first ? day(first.ms) : "";
  tail.attend();
  if (byReader) pointing.moved();
}

/** Leave what was asked for last: a line, a search, a user. */
function stepBack() {
  const { seen } = view;
  if (seen.line) pointing.release();
  else if (seen.q) void view.show({ ...seen, q: "" });
  else if (seen.user && seen.channel) void view.show({ ...seen, user: "" });
}

pick.addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = [...new FormData(pick)].map(([name, value]) => [name, String(value)]);
  const asked = read(`?${new URLSearchParams(fields)}`);
  // Another question about the same log is asked about the same time.
  const same = asked.channel === view.seen.channel && asked.user === view.seen.user && asked.q === view.seen.q;
  void view.show({ ...asked, at: same ? view.seen.at : "" });
});
part("channel", HTMLInputElement).addEventListener("focus", () => void suggestChannels(), { once: true });
for (const select of pick.querySelectorAll("select")) select.addEventListener("change", () => pick.requestSubmit());

async function suggestChannels() {
  try {
    const { channels } = await ask("channels");
    suggest(part("channels", HTMLDataListElement), channels);
  } catch {
    // Then nothing is suggested; what is asked for is answered all the same.
  }
}

// Links within the page are followed without loading it anew.
document.addEventListener("click", (event) => {
  const link = /** @type {Element} */ (event.target).closest("a");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const url = new URL(link.getAttribute("href") ?? "", location.href);
  if (link.hasAttribute("target") || url.origin !== location.origin || url.pathname !== "/") return;
  event.preventDefault();
  if (url.hash === OPT_OUT) optout.open();
  else void view.show(read(url.search));
});

keys(view.log, {
  step: (step) => pointing.step(step),
  open: () => pointing.to(pointing.focused?.getAttribute("data-sent") ?? ""),
  author: () => {
    const link = pointing.focused?.querySelector("a.name");
    if (link instanceof HTMLElement) link.click();
  },
  search: () => part("search", HTMLInputElement).select(),
  leave: stepBack,
  newest: () => tail.toNewest(),
  days: () => void panels.days(),
  activity: () => panels.toggleActivity(),
  help: () => panels.options(),
});

/** Show what the address says. */
function arrive() {
  void view.show(read(location.search), "stay");
  if (location.hash === OPT_OUT) optout.open();
}

addEventListener("popstate", arrive);
applyTheme();
arrive();
