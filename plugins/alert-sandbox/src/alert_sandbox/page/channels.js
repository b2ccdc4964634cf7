// Telegram's bubble, the e-mail, the SMS, and PagerDuty's incident.

import { h, link, marked, table, tabs, time } from "./dom.js";

const WRAP = {
  bold: "strong",
  italic: "em",
  underline: "u",
  strikethrough: "s",
  code: "code",
  pre: "code",
  blockquote: "q",
  expandable_blockquote: "q",
};

export function telegram(message) {
  const view = message.view;
  return h(
    "div",
    { class: "telegram" },
    h("p", { class: "place" }, `chat ${view.chat}`, view.thread ? `, topic ${view.thread}` : ""),
    h(
      "div",
      { class: "bubble" },
      h("p", { class: "by" }, "Alerts"),
      h("p", { class: "text" }, entities(view.text, view.entities)),
      h("p", { class: "at" }, view.silent ? "🔕 " : "", time(message.at)),
    ),
  );
}

// Offsets are UTF-16 units, as JavaScript's own.
function entities(text, found) {
  const spans = found.filter((span) => span && Number.isInteger(span.offset) && Number.isInteger(span.length));
  const cuts = new Set([0, text.length]);
  for (const span of spans) {
    cuts.add(span.offset);
    cuts.add(span.offset + span.length);
  }
  const places = [...cuts].filter((place) => place >= 0 && place <= text.length).sort((a, b) => a - b);
  return places.slice(0, -1).map((start, index) => {
    const end = places[index + 1];
    return spans
      .filter((span) => span.offset <= start && span.offset + span.length >= end)
      .reverse()
      .reduce((inside, span) => wrap(span, inside), marked(text.slice(start, end)));
  });
}

function wrap(span, inside) {
  if (span.type === "text_link") return link(span.url, inside);
  if (span.type === "spoiler") return h("span", { class: "spoiler", tabindex: 0, title: "hidden until tapped" }, inside);
  return h(WRAP[span.type] || "span", { class: span.type === "pre" ? "code" : null }, inside);
}

export function mail(message) {
  const view = message.view;
  const people = [
    ["From", view.from],
    ["To", view.to.join(", ")],
    ["Cc", view.cc.join(", ")],
    ["Bcc", view.bcc.join(", ")],
  ];
  const html = () =>
    h("iframe", {
      sandbox: "allow-popups allow-popups-to-escape-sandbox",
      src: `/api/messages/${message.id}/html`,
      title: "The e-mail’s HTML",
      referrerpolicy: "no-referrer",
    });
  const parts = [
    ...(view.html ? [["HTML", html()]] : []),
    ...(view.text ? [["Text", h("pre", { class: "plain" }, marked(view.text))]] : []),
    ["Headers", h("pre", { class: "plain" }, headers(view.headers))],
  ];
  return h(
    "div",
    { class: "mail" },
    h("h3", {}, marked(view.subject)),
    table(people.filter(([, value]) => value).map(([name, value]) => [name, marked(value)])),
    tabs("Parts of the e-mail", parts),
  );
}

function headers(given) {
  const lines = Object.entries(given).map(([name, value]) => `${name}: ${value}`);
  return marked(lines.join("\n") || "none but those above");
}

export function sms(message) {
  const view = message.view;
  const count = view.segments.length;
  return h(
    "div",
    { class: "sms" },
    h("p", { class: "place" }, view.from || "unknown", " → ", view.to.join(", ")),
    h(
      "div",
      { class: "phone" },
      view.segments.map((part, index) =>
        h(
          "p",
          { class: "text" },
          marked(part),
          count > 1 ? h("small", {}, `segment ${index + 1} of ${count}`) : null,
        ),
      ),
    ),
    h("p", { class: "context" }, `${count} ${count === 1 ? "segment" : "segments"} · ${view.encoding} · ${view.units} units`),
    view.lost ? h("p", { class: "problem" }, "Characters that GSM 7-bit lacks became “?”: type=unicode was not set.") : null,
  );
}

export function pagerduty(message, all) {
  const view = message.view;
  const incident = view.incident;
  const events = all
    .filter((other) => other.kind === "pagerduty" && incident && other.view.incident?.number === incident.number)
    .sort((a, b) => a.id - b.id);
  const latest = events.length ? events[events.length - 1].view.incident : incident;
  const opening = events.find((other) => other.view.payload?.summary) || message;
  const payload = { ...opening.view.payload, ...view.payload };
  const status = latest ? latest.status : "no incident";
  return h(
    "div",
    { class: "pagerduty" },
    h(
      "p",
      { class: "place" },
      latest ? `Incident #${latest.number}` : "No incident",
      h("span", { class: `status ${status.replace(" ", "-")}` }, status),
      latest && latest.triggers > 1 ? `${latest.triggers} triggers` : "",
    ),
    h("h3", {}, marked(payload.summary || view.dedup_key)),
    table(
      [
        ["Severity", payload.severity],
        ["Source", payload.source],
        ["Component", payload.component],
        ["Group", payload.group],
        ["Class", payload.class],
        ["Dedup key", view.dedup_key],
        ["Client", view.client],
      ]
        .filter(([, value]) => value)
        .map(([name, value]) => [name, marked(value)]),
    ),
    (view.links || []).map((item) => h("p", {}, link(item.href, marked(item.text || item.href)))),
    payload.custom_details ? h("div", {}, h("h4", {}, "Details"), table(details(payload.custom_details))) : null,
    events.length
      ? h(
          "div",
          {},
          h("h4", {}, "What happened"),
          h(
            "ol",
            { class: "timeline" },
            events.map((other) =>
              h(
                "li",
                { class: other.view.action, "aria-current": other.id === message.id ? "true" : null },
                time(other.at),
                ` ${{ trigger: "triggered", acknowledge: "acknowledged", resolve: "resolved" }[other.view.action]}`,
              ),
            ),
          ),
        )
      : null,
  );
}

function details(given) {
  return Object.entries(given).map(([name, value]) => [
    name,
    typeof value === "string" ? h("span", { class: "text" }, marked(value)) : h("code", {}, marked(JSON.stringify(value))),
  ]);
}
