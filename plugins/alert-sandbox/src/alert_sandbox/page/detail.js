// One message: how its reader sees it, the raw request and answer beside it.

import { mail, pagerduty, sms, telegram } from "./channels.js";
import { h, marked, tabs, time } from "./dom.js";
import { slack } from "./slack.js";

export const NAMES = {
  slack: "Slack",
  "slack-bot": "Slack bot",
  telegram: "Telegram",
  resend: "Resend",
  sendgrid: "SendGrid",
  pagerduty: "PagerDuty",
  castbrick: "CastBrick",
  twilio: "Twilio",
  vonage: "Vonage",
  smtp: "E-mail",
};
const RENDER = {
  slack,
  "slack-bot": slack,
  telegram,
  resend: mail,
  sendgrid: mail,
  smtp: mail,
  pagerduty,
  castbrick: sms,
  twilio: sms,
  vonage: sms,
};

export function state(message) {
  if (message.fault && !message.accepted) return `fault ${message.fault}`;
  if (!message.accepted) return `refused ${message.answer.status}`;
  return message.fault ? `accepted, ${message.fault}` : "accepted";
}

export function detail(message, all, back) {
  const known = Object.keys(message.view).length > 0;
  const shown = [
    h(
      "header",
      {},
      h("button", { type: "button", class: "back", onclick: back }, "← Inbox"),
      h(
        "p",
        { class: "facts" },
        h("span", { class: "kind" }, NAMES[message.kind] || message.kind),
        message.severity ? h("span", { class: `severity ${message.severity}` }, message.severity) : null,
        h("span", { class: message.accepted ? "good" : "bad" }, state(message)),
        message.masked ? h("span", { class: "masks" }, `${message.masked} masked`) : null,
        time(message.at),
      ),
      h("h2", {}, marked(message.title || "(no title)")),
    ),
    message.broken.map((broken) =>
      h("p", { class: "problem" }, h("b", {}, marked(broken.message)), h("small", {}, `${broken.rule} — ${broken.source}`)),
    ),
    message.note ? h("p", { class: "note" }, message.note) : null,
    h(
      "div",
      { class: "panes" },
      h(
        "section",
        { class: "pane", "aria-label": "As its reader sees it" },
        known ? RENDER[message.kind](message, all) : h("p", { class: "context" }, "Its reader sees nothing of it."),
      ),
      h("section", { class: "pane raw", "aria-label": "Request and answer" }, raw(message)),
    ),
  ];
  return shown.flat().filter(Boolean);
}

function raw(message) {
  const request = message.request;
  const answer = message.answer;
  const first = request.method === "SMTP" ? `SMTP, ${request.path}` : `${request.method} ${request.path}`;
  const told = answer.status ? `${answer.status}` : "nothing: it hangs";
  return tabs("Request and answer", [
    ["Request", [lines(first, request.headers), body(request.body, request.headers["content-type"] || "")]],
    ["Answer", [lines(told, answer.headers), body(answer.body, answer.headers["Content-Type"] || "")]],
  ]);
}

function lines(first, headers) {
  return h(
    "pre",
    { class: "head" },
    h("b", {}, marked(first)),
    Object.entries(headers).map(([name, value]) => ["\n", h("span", { class: "name" }, name), ": ", marked(value)]),
  );
}

function body(text, type) {
  if (!text) return h("p", { class: "context" }, "no body");
  let pretty = "";
  try {
    if (/json/.test(type)) pretty = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    pretty = "";
  }
  if (/urlencoded/.test(type)) {
    pretty = [...new URLSearchParams(text.replaceAll("<credential>", "%3Ccredential%3E"))]
      .map(([name, value]) => `${name} = ${value}`)
      .join("\n");
  }
  const shown = h("pre", { class: "body", tabindex: 0 }, marked(text));
  if (!pretty || pretty === text) return shown;
  return tabs("Body", [
    ["Formatted", h("pre", { class: "body", tabindex: 0 }, marked(pretty))],
    ["Raw", shown],
  ]);
}
