// Badges as short words, with what they mean for who asks.

/** @type {Record<string, [string, string]>} */
const WORDS = {
  broadcaster: ["host", "The broadcaster"],
  moderator: ["mod", "Moderator"],
  lead_moderator: ["lead mod", "Lead moderator"],
  vip: ["vip", "VIP"],
  founder: ["founder", "One of the first subscribers"],
  subscriber: ["sub", "Subscriber"],
  premium: ["prime", "Prime Gaming"],
  turbo: ["turbo", "Turbo"],
  partner: ["partner", "Verified partner"],
  staff: ["staff", "Twitch staff"],
  admin: ["admin", "Twitch admin"],
  global_mod: ["global mod", "Global moderator"],
  bits: ["bits", "Has cheered with so many bits"],
  "sub-gifter": ["gifts", "Has given so many subscriptions"],
  "artist-badge": ["artist", "Artist of the channel"],
  "bot-badge": ["bot", "Chat bot"],
};
const COUNTED = ["bits", "sub-gifter"];

/**
 * @param {Record<string, string>} tags
 * @returns {{ name: string, text: string, title: string }[]}
 */
export function badges(tags) {
  const months = /(?:subscriber|founder)\/(\d+)/.exec(tags["badge-info"] ?? "")?.[1];
  return (tags.badges ? tags.badges.split(",") : []).slice(0, 6).map((badge) => {
    const [name, version = ""] = badge.split("/");
    const [short, meaning] = Object.hasOwn(WORDS, name) ? WORDS[name] : [name.replaceAll(/[-_]/g, " "), `Badge: ${name}`];
    if (COUNTED.includes(name)) return { name, text: `${short} ${version}`, title: `${meaning}: ${version}` };
    if (months && (name === "subscriber" || name === "founder")) {
      return { name, text: `${short} ${months}`, title: `${meaning}, for ${months} months` };
    }
    return { name, text: short, title: meaning };
  });
}
