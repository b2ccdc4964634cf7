// A message as Slack shows it: Block Kit, mrkdwn, attachments. Images are named, not fetched.

import { h, link, marked, time } from "./dom.js";

const EMOJI = { rotating_light: "🚨", warning: "⚠️", red_circle: "🔴", white_check_mark: "✅", eyes: "👀", bell: "🔔", fire: "🔥" };
const TOKENS = [
  [/^```\n?([\s\S]+?)```/, (found) => h("pre", { class: "code" }, marked(unescape(found[1])))],
  [/^`([^`\n]+)`/, (found) => h("code", {}, marked(unescape(found[1])))],
  [/^<([^<>\n]+)>/, (found) => reference(found[1])],
  [/^\*(?=\S)([^*\n]*[^*\s])\*(?![\w*])/, (found) => h("strong", {}, mrkdwn(found[1]))],
  [/^_(?=\S)([^_\n]*[^_\s])_(?![\w_])/, (found) => h("em", {}, mrkdwn(found[1]))],
  [/^~(?=\S)([^~\n]*[^~\s])~(?![\w~])/, (found) => h("s", {}, mrkdwn(found[1]))],
];

export function slack(message) {
  const view = message.view;
  const body = [
    ...(view.blocks.length ? view.blocks.map(block) : [h("p", {}, mrkdwn(view.text))]),
    ...view.attachments.map(attachment),
  ];
  const channel = view.channel && !view.channel.startsWith("the ") ? view.channel : "";
  return h(
    "div",
    { class: "slack" },
    h("p", { class: "place" }, channel ? (/^[#CDG]/.test(channel) ? channel : `#${channel}`) : "the webhook’s channel"),
    h(
      "div",
      { class: "post" },
      h("span", { class: "avatar", "aria-hidden": "true" }, "🔔"),
      h(
        "div",
        { class: "words" },
        h("p", { class: "by" }, h("b", {}, "Alerts"), h("span", { class: "app" }, "APP"), time(message.at)),
        view.thread_ts ? h("p", { class: "thread" }, `↳ in the thread of ${view.thread_ts}`) : null,
        body,
      ),
    ),
    view.blocks.length && view.text
      ? h("p", { class: "context notification" }, "Notification: ", marked(unescape(view.text)))
      : null,
  );
}

function block(given) {
  const known = given && typeof given === "object" ? given : {};
  switch (known.type) {
    case "header":
      return h("h3", {}, textOf(known.text));
    case "section":
      return h(
        "div",
        { class: "section" },
        known.text ? h("p", {}, textOf(known.text)) : null,
        known.fields ? h("div", { class: "fields" }, list(known.fields).map((field) => h("p", {}, textOf(field)))) : null,
        known.accessory ? element(known.accessory) : null,
      );
    case "context":
      return h("p", { class: "context" }, list(known.elements).map((item) => h("span", {}, element(item))));
    case "actions":
      return h("p", { class: "buttons" }, list(known.elements).map(element));
    case "divider":
      return h("hr");
    case "image":
      return image(known);
    case "markdown":
      return h("p", {}, marked(unescape(known.text || "")));
    default:
      return h("pre", { class: "code" }, marked(JSON.stringify(given, null, 2)));
  }
}

function element(given) {
  if (!given || typeof given !== "object") return "";
  if (given.type === "image") return image(given);
  if (given.type === "button") {
    const label = h("span", { class: "button" }, textOf(given.text));
    return given.url ? link(given.url, label) : label;
  }
  return textOf(given);
}

function image(given) {
  return h("span", { class: "image", title: given.image_url || "" }, `🖼 ${given.alt_text || "image"}`);
}

function attachment(given) {
  const colour = /^#[0-9a-f]{6}$/i.test(given.color || "") ? given.color : null;
  const bar = h(
    "div",
    { class: "attachment" },
    given.title ? h("p", {}, h("b", {}, mrkdwn(given.title))) : null,
    given.text ? h("p", {}, mrkdwn(given.text)) : null,
    list(given.blocks).map(block),
  );
  if (colour) bar.style.setProperty("border-left-color", colour);
  return bar;
}

function list(value) {
  return Array.isArray(value) ? value : [];
}

function textOf(text) {
  if (!text || typeof text.text !== "string") return "";
  return text.type === "mrkdwn" ? mrkdwn(text.text) : marked(unescape(text.emoji === false ? text.text : emoji(text.text)));
}

export function mrkdwn(text) {
  const nodes = [];
  let plain = "";
  const flush = () => {
    if (plain) nodes.push(...marked(unescape(emoji(plain))));
    plain = "";
  };
  for (let place = 0; place < text.length; ) {
    const rest = text.slice(place, place + 4000);
    const before = text[place - 1] || " ";
    const hit = /[\w*_~`]/.test(before) && /^[*_~]/.test(rest) ? null : match(rest);
    if (hit) {
      flush();
      nodes.push(hit.node);
      place += hit.length;
    } else {
      plain += text[place];
      place += 1;
    }
  }
  flush();
  return nodes;
}

function match(rest) {
  for (const [pattern, make] of TOKENS) {
    const found = pattern.exec(rest);
    if (found) return { node: make(found), length: found[0].length };
  }
  return null;
}

function reference(inside) {
  const [target, ...label] = inside.split("|");
  const shown = label.join("|");
  if (/^!(channel|here|everyone)/.test(target)) {
    return h("span", { class: "ping", title: "this notifies everyone" }, `@${target.slice(1)}`);
  }
  if (/^[@#!]/.test(target)) return h("span", { class: "mention" }, shown || target);
  return link(unescape(target), marked(unescape(shown || target)));
}

function emoji(text) {
  return text.replace(/:([a-z_]+):/g, (all, name) => EMOJI[name] || all);
}

function unescape(text) {
  return text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
}
