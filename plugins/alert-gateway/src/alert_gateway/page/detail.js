// One alert: what it says, what became of each delivery, and what can be done about it.

import { duration, h, link, plural, said, table, time } from "./dom.js";
import { STATES, WORST, badge, reason, stateOf } from "./views.js";

export function detail(alert, context) {
  const back = h("button", { type: "button", class: "quiet close", onclick: context.close }, "← back to the list");
  if (alert.missing) return [back, h("p", { class: "none" }, alert.missing)];
  const repeats = alert.message === alert.title;
  const deliveries = [...alert.deliveries].sort(
    (one, other) => WORST.indexOf(stateOf(one)) - WORST.indexOf(stateOf(other)),
  );
  return [
    back,
    h(
      "p",
      { class: "facts" },
      badge(alert),
      alert.source ? said(alert.source) : null,
      time(alert.at),
      (alert.tags || []).map((tag) => said(tag, "span", { class: "tag" })),
    ),
    said(alert.title, "h2"),
    repeats ? null : said(alert.message, "p", { class: "message" }),
    h(
      "p",
      { class: "actions" },
      alert.url ? link(alert.url, `Open ${host(alert.url)}`) : null,
      context.store.silences
        ? h("button", { type: "button", onclick: () => context.silence(alert) }, "Silence…")
        : null,
    ),
    h("h3", {}, plural(alert.deliveries.length, "delivery", "deliveries")),
    alert.repeat
      ? h("p", { class: "soft" }, "It fired already: this repeat was not told, these are of the same event.")
      : null,
    h(
      "ol",
      { class: "deliveries" },
      deliveries.map((delivery) => deliveryItem(delivery, context)),
    ),
    metadata(alert),
    h(
      "details",
      {},
      h("summary", {}, "Ids"),
      table([
        ["alert", code(alert.id)],
        ["dedup key", code(alert.dedup_key)],
        ["correlation", code(alert.correlation_id)],
        ["request", alert.request_id && code(alert.request_id)],
        ["created", time(alert.created_at)],
      ]),
    ),
  ].filter(Boolean);
}

const code = (text) => said(text, "code");

function host(address) {
  try {
    return new URL(address).host;
  } catch {
    return "the link";
  }
}

function deliveryItem(delivery, { act }) {
  const state = stateOf(delivery);
  const [mark, word] = STATES[state] || ["", state];
  const again = () =>
    act(
      "POST",
      `api/deliveries/${encodeURIComponent(delivery.id)}/retry`,
      {},
      () => `${delivery.target} will be tried again.`,
    );
  const [type] = (delivery.error || "").split(":");
  return h(
    "li",
    { class: `delivery ${state}` },
    h(
      "p",
      { class: "head" },
      h("span", { class: `chip ${state}` }, `${mark} ${word}`),
      h("b", {}, said(delivery.target)),
      delivery.recipient ? h("span", {}, "to ", said(delivery.recipient)) : null,
      delivery.state === "dead" ? h("button", { type: "button", onclick: again }, "Retry") : null,
    ),
    delivery.error && state !== "delivered"
      ? h(
          "p",
          { class: "problem" },
          said(reason(delivery)),
          h("small", {}, [delivery.outcome, type].filter(Boolean).join(" · ")),
        )
      : null,
    h(
      "p",
      { class: "soft" },
      [
        delivery.attempts
          ? plural(delivery.attempts, "attempt")
          : delivery.summarised
            ? "told in a summary"
            : state === "handed"
              ? "what became of it is the queue’s to know"
              : "not tried yet",
        delivery.under_way ? "under way" : null,
        delivery.seconds === null
          ? null
          : `${state === "delivered" ? "after" : "given up after"} ${duration(delivery.seconds)}`,
      ]
        .filter(Boolean)
        .join(" · "),
      delivery.due && !delivery.under_way
        ? [delivery.state === "waiting" ? " · next try " : " · to be told ", time(delivery.due)]
        : null,
      delivery.receipt ? [" · provider’s id ", code(delivery.receipt)] : null,
    ),
  );
}

function metadata(alert) {
  const rows = Object.entries(alert.metadata || {});
  if (!rows.length) return null;
  return h(
    "section",
    {},
    h("h3", {}, "Metadata"),
    table(rows.map(([name, value]) => [name, said(typeof value === "string" ? value : JSON.stringify(value))])),
  );
}
