// A channel as it is said: Server-Sent Events, taken up again after whatever broke them.

const AGAIN_MS = [1000, 30000];

/**
 * @typedef {object} Listener
 * @property {(messages: import("./api.js").Message[]) => void} lines is given what was said; some of it may be known
 * @property {() => void} opened is told that nothing said from now on is missed; what was said before is to be read
 * @property {(live: boolean) => void} state is told whether the stream runs
 */

/**
 * @param {string} channel
 * @param {Listener} listener
 * @returns {() => void} ends it
 */
export function follow(channel, listener) {
  let [pause] = AGAIN_MS;
  let timer = 0;
  let ended = false;
  /** @type {EventSource} */
  let source;
  /** @type {import("./api.js").Message[]} */
  let waiting = [];

  function connect() {
    source = new EventSource(`/v1/channels/${encodeURIComponent(channel)}/live`);
    source.addEventListener("open", () => {
      [pause] = AGAIN_MS;
      listener.state(true);
      listener.opened();
    });
    source.addEventListener("message", (event) => {
      if (!waiting.length) setTimeout(flush, 50);
      waiting.push(JSON.parse(event.data));
    });
    // A stream that says why it ends, and one that breaks, are begun anew: `opened` finds what was missed.
    source.addEventListener("problem", again);
    source.addEventListener("error", again);
  }

  function again() {
    source.close();
    listener.state(false);
    clearTimeout(timer);
    timer = window.setTimeout(connect, pause);
    pause = Math.min(pause * 2, AGAIN_MS[1]);
  }

  function flush() {
    const messages = waiting;
    waiting = [];
    if (!ended) listener.lines(messages);
  }

  connect();
  return () => {
    ended = true;
    clearTimeout(timer);
    source.close();
    listener.state(false);
  };
}
