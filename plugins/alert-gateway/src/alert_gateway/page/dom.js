// Elements out of plain values. Nothing is ever parsed as HTML: text becomes text nodes, and an address becomes a link
// only where it is http or https.

const SVG = "http://www.w3.org/2000/svg";
const MASKED = /(\[REDACTED(?::[^\]\n]{1,64})?\])/;
// What would turn the text behind it around, or is not seen at all.
const UNSEEN = /([\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff])/;

export const by = (id) => document.getElementById(id);

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "onclick") element.addEventListener("click", value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

// Somebody else's text: what was masked and what cannot be seen is made visible.
export function said(text, tag = "span", attributes = {}) {
  const parts = String(text ?? "")
    .replace(/\r\n?/g, "\n")
    .split(MASKED)
    .map((part) => (MASKED.test(part) ? h("mark", { title: maskedBy(part) }, part) : part.split(UNSEEN).map(seen)));
  return h(tag, { dir: "auto", ...attributes, class: `said ${attributes.class || ""}`.trim() }, parts);
}

function maskedBy(mark) {
  const rule = mark.slice(10, -1).replace(/^:/, "");
  return rule ? `masked by the rule ${rule}` : "masked by its key";
}

function seen(part) {
  if (!UNSEEN.test(part)) return part;
  const code = `U+${part.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
  return h("span", { class: "unseen", title: "a character that cannot be seen" }, code);
}

export function link(address, text) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return said(text);
  }
  if (!["http:", "https:"].includes(url.protocol)) return said(text);
  return h("a", { href: url.href, target: "_blank", rel: "noreferrer noopener" }, said(text));
}

export function table(rows) {
  return h(
    "dl",
    { class: "rows" },
    rows
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([name, value]) => h("div", {}, h("dt", {}, said(name)), h("dd", {}, value))),
  );
}

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

export function time(text) {
  const at = new Date(text);
  const isToday = at.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { day: "numeric", month: "short" };
  const shown = at.toLocaleString(
    [],
    isToday ? CLOCK : { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  );
  return h("time", { datetime: text, title: `${at.toLocaleString()} (${text})` }, shown);
}

const UNITS = [
  ["d", 86400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.5) return `${seconds.toPrecision(seconds < 9.95 ? 2 : 3).replace(/\.0$/, "")} s`;
  const at = UNITS.findIndex(([, size]) => seconds >= size - size / 120);
  const [[big, size], [small, part]] = [UNITS[at], UNITS[at + 1]];
  const parts = Math.round(seconds / part);
  const rest = parts % (size / part);
  return `${Math.floor(parts / (size / part))} ${big}${rest ? ` ${rest} ${small}` : ""}`;
}

export const number = (count) => Number(count).toLocaleString("en");
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

// Make a list's children be these items, keeping the element of each that stays, so that focus and reading position do.
export function sync(list, items, key, make, update) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let place = list.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    const told = JSON.stringify(item);
    let child = old.get(name);
    old.delete(name);
    if (!child) {
      child = make(item);
      child.dataset.key = name;
      child.told = told;
    } else if (child.told !== told) {
      update(child, item);
      child.told = told;
    }
    if (child === place) place = place.nextElementSibling;
    else list.insertBefore(child, place);
  }
  for (const child of old.values()) child.remove();
}
