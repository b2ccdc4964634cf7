// The lists: alerts, what fires, silences, and what was not sent.

import { duration, h, number, plural, said, sync, time } from "./dom.js";

export const WORST = ["dead", "retrying", "waiting", "held", "gathered", "handed", "delivered"];
export const STATES = {
  delivered: ["✓", "delivered"],
  dead: ["✗", "failed"],
  waiting: ["…", "waiting"],
  retrying: ["↻", "failed, will be tried again"],
  held: ["⏸", "waits for an earlier one of the same event"],
  gathered: ["⏸", "gathered, to be told with others"],
  handed: ["→", "handed to the queue"],
};
const CHIPS = 4;

export const stateOf = (delivery) => (delivery.state === "waiting" && delivery.attempts ? "retrying" : delivery.state);

export function badge(alert) {
  const word = alert.status === "firing" ? alert.severity : alert.status;
  return h("span", { class: `severity ${word}` }, word);
}

// Each target once, with the worst of its deliveries.
function chips(deliveries) {
  const targets = new Map();
  for (const delivery of deliveries)
    targets.set(delivery.target, [...(targets.get(delivery.target) || []), stateOf(delivery)]);
  const found = [...targets].map(([target, states]) => {
    const worst = WORST.find((state) => states.includes(state)) || states[0];
    const [mark, word] = STATES[worst] || ["", worst];
    const count =
      states.length > 1 ? ` ${states.filter((state) => state === "delivered").length}/${states.length}` : "";
    return h(
      "span",
      { class: `chip ${worst}`, title: `${target}: ${word}` },
      h("span", { "aria-hidden": "true" }, `${mark} `),
      said(target),
      count,
      h("span", { class: "hidden" }, ` ${word},`),
    );
  });
  return found.length > CHIPS
    ? [...found.slice(0, CHIPS), h("span", { class: "chip" }, `+${found.length - CHIPS}`)]
    : found;
}

function alertRow(alert) {
  const failed = alert.deliveries.find(
    (delivery) => delivery.error && ["dead", "retrying"].includes(stateOf(delivery)),
  );
  return [
    badge(alert),
    said(alert.title, "span", { class: "title" }),
    said(alert.source || "", "span", { class: "source" }),
    h("span", { class: "chips" }, chips(alert.deliveries)),
    time(alert.at),
    failed ? said(`${failed.target}: ${reason(failed)}`, "span", { class: "why" }) : null,
  ].filter(Boolean);
}

// Why the last attempt failed, without the name of the error's class.
export const reason = (delivery) => (delivery.error || "").replace(/^\w+: /, "");

function drawAlerts(list, items, { address }) {
  const href = (alert) => address({ alert: alert.id });
  sync(
    list,
    items,
    (alert) => alert.dispatch,
    (alert) =>
      h("li", {}, h("a", { class: "row", href: href(alert), "data-id": alert.id, "data-go": true }, alertRow(alert))),
    (item, alert) => item.firstChild.replaceChildren(...alertRow(alert)),
  );
  items.forEach((alert, index) => list.children[index].firstChild.setAttribute("href", href(alert)));
}

function redraw(row) {
  return (list, items, context) => {
    const make = (item) => h("li", { class: "line" }, row(item, context));
    sync(
      list,
      items,
      (item) => item.id,
      make,
      (old, item) => old.replaceChildren(...make(item).childNodes),
    );
  };
}

const firingRow = redraw((event, { silence, store, address }) => [
  badge(event),
  h(
    "div",
    { class: "words" },
    event.alert
      ? h(
          "a",
          { class: "title", href: address({ alert: event.alert }), "data-id": event.alert, "data-go": true },
          said(event.title),
        )
      : said(event.title, "span", { class: "title" }),
    h(
      "p",
      { class: "soft" },
      event.source ? [said(event.source), " · "] : null,
      "since ",
      time(event.first_seen),
      event.count > 1 ? [` · seen ${number(event.count)} times, last `, time(event.last_seen)] : null,
      event.routes.length ? [" · route ", said(event.routes.join(", "))] : null,
    ),
  ),
  event.silenced ? h("span", { class: "chip" }, "silenced") : null,
  store.silences ? h("button", { type: "button", onclick: () => silence(event) }, "Silence…") : null,
]);

const silenceRow = redraw((silence, { act }) => [
  h("span", { class: `severity ${silence.state}` }, silence.state),
  h(
    "div",
    { class: "words" },
    h(
      "p",
      { class: "match" },
      Object.entries(silence.match).map(([field, wanted]) =>
        h("code", {}, said(`${field} = ${[wanted].flat().join(", ")}`)),
      ),
    ),
    h("p", {}, said(silence.reason)),
    h(
      "p",
      { class: "soft" },
      "by ",
      said(silence.author),
      " · from ",
      time(silence.starts),
      " to ",
      time(silence.ends),
      silence.state === "active" ? ` · ${duration((new Date(silence.ends) - Date.now()) / 1000)} left` : null,
    ),
  ),
  silence.state === "ended"
    ? null
    : h(
        "button",
        {
          type: "button",
          onclick: () =>
            act(
              "DELETE",
              `api/silences/${silence.id}`,
              {},
              () => "The silence has ended; what still fires is told within a minute.",
            ),
        },
        "End now",
      ),
]);

// Why an alert was sent to nobody, by the core's word for it.
const WHY = {
  silenced: (by) => (/^silence \d+$/.test(by) ? `kept quiet by ${by}` : `the route ${by} has no targets`),
  deduplicated: (by) => `fires already, and the route ${by} has told of it`,
  not_firing: () => "a resolve of what does not fire",
  min_severity: () => "less severe than its targets take",
  processor: (by) => `dropped by the processor ${by}`,
  no_target: () => "no target is configured",
};

const droppedRow = redraw((drop) => [
  badge(drop),
  h(
    "div",
    { class: "words" },
    said(drop.title, "span", { class: "title" }),
    h(
      "p",
      { class: "soft" },
      drop.source ? [said(drop.source), " · "] : null,
      said(WHY[drop.reason]?.(drop.by) ?? `${drop.reason} ${drop.by}`, "span", { class: "why" }),
    ),
  ),
  time(drop.at),
]);

const words = (head, ...text) => [h("h3", {}, head), ...text.map((one) => h("p", {}, one))];
const NO_SILENCES =
  'Silences are kept by the durable queue: pip install alert-outbox, and in alerts.toml [queue] type = "outbox".';
const CURL = `curl -H 'Content-Type: application/json' ${new URL("alerts", location.href)} \\
  -d '{"level": "warning", "service": "demo", "description": "Hello"}'`;

export const VIEWS = {
  alerts: {
    title: "Alerts",
    path: "api/alerts",
    items: "alerts",
    filtered: true,
    draw: drawAlerts,
    empty: (filtered) =>
      filtered
        ? words("Nothing fits these filters")
        : [
            ...words("No alert has come in yet", "Point a monitoring tool at this address, or try it:"),
            h("pre", {}, CURL),
          ],
    tools: (items, { asked, act, count }) => {
      if (asked.get("state") !== "dead" || !count.dead || !items.length) return [];
      const target = asked.get("target") || "";
      const where = target ? ` of ${target}` : "";
      const again = () =>
        act(
          "POST",
          "api/retry",
          { target: target || null },
          (told) => `${plural(told.retried, "delivery", "deliveries")} will be tried again.`,
        );
      return [
        h(
          "button",
          { type: "button", onclick: () => confirm(`Try every failed delivery${where} again?`) && again() },
          `Retry all failed${where}`,
        ),
      ];
    },
  },
  firing: {
    title: "Firing",
    path: "api/firing",
    items: "firing",
    draw: firingRow,
    empty: () => words("Nothing fires"),
    tools: (items, { count }) =>
      count.firing > items.length && items.length
        ? [h("span", {}, `The latest ${number(items.length)} of ${number(count.firing)}`)]
        : [],
  },
  silences: {
    title: "Silences",
    path: "api/silences",
    items: "silences",
    draw: silenceRow,
    empty: (_, store) => (store.silences ? words("Nothing is silenced") : words("No silences here", NO_SILENCES)),
    tools: (_, { silence, store }) =>
      store.silences
        ? [h("button", { type: "button", class: "primary", onclick: () => silence(null) }, "New silence…")]
        : [],
  },
  dropped: {
    title: "Not sent",
    path: "api/dropped",
    items: "dropped",
    draw: droppedRow,
    empty: () =>
      words(
        "Nothing was held back",
        "Here is what was silenced, deduplicated or dropped since this process started, and why.",
      ),
  },
};
