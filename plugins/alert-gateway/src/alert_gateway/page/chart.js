// The charts, drawn as SVG out of numbers.

import { duration, h, number, plural, said, svg } from "./dom.js";

export const SEVERITIES = ["critical", "error", "warning", "info"];
const WIDE = 600;
const HIGH = 150;
const FOOT = 22;
const SIDE = 30;

const clock = (text) => new Date(text).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

// Columns, one an hour, stacked by severity; `onHour(start)` is called for the one that is clicked.
export function day(hours, onHour) {
  const sums = hours.map((hour) => SEVERITIES.reduce((sum, name) => sum + hour[name], 0));
  const top = ceiling(Math.max(...sums));
  const step = (WIDE - SIDE) / hours.length;
  const y = (count) => HIGH - (count / top) * (HIGH - 12);
  const columns = hours.map((hour, index) => {
    const x = SIDE + index * step;
    let below = 0;
    const parts = [...SEVERITIES].reverse().map((name) => {
      const from = y(below);
      below += hour[name];
      // What is there at all is seen: a single alert beside thousands.
      return hour[name]
        ? svg("rect", {
            class: `fill ${name}`,
            x: x + 1.5,
            width: step - 3,
            y: Math.min(y(below), from - 1.5),
            height: Math.max(from - y(below), 1.5),
          })
        : null;
    });
    const told = SEVERITIES.filter((name) => hour[name]).map((name) => `${number(hour[name])} ${name}`);
    const label = `${clock(hour.at)}: ${told.join(", ") || "none"}`;
    return svg(
      "g",
      {
        class: "column",
        role: "button",
        tabindex: -1,
        "aria-label": label,
        "data-hour": hour.at,
        onclick: () => onHour(hour.at),
      },
      svg("title", {}, label),
      svg("rect", { class: "touch", x, width: step, y: 0, height: HIGH }),
      parts,
    );
  });
  const busiest = sums.lastIndexOf(Math.max(...sums));
  columns[busiest].setAttribute("tabindex", 0);
  const lines = [0, top / 2, top].map((count) => [
    svg("line", { class: "grid", x1: SIDE, x2: WIDE, y1: y(count), y2: y(count) }),
    svg("text", { class: "axis", x: SIDE - 5, y: y(count) + 4, "text-anchor": "end" }, short(count)),
  ]);
  const marks = hours.map((hour, index) =>
    index % 6 === 0 || index === hours.length - 1
      ? svg(
          "text",
          { class: "axis", x: SIDE + (index + 0.5) * step, y: HIGH + FOOT - 4, "text-anchor": "middle" },
          clock(hour.at),
        )
      : null,
  );
  const totals = SEVERITIES.map((name) => [name, hours.reduce((sum, hour) => sum + hour[name], 0)]);
  return h(
    "figure",
    {},
    h(
      "ul",
      { class: "legend" },
      totals.map(([name, count]) =>
        h("li", {}, h("i", { class: `swatch ${name}` }), `${name} `, h("b", {}, number(count))),
      ),
    ),
    walked(
      svg(
        "svg",
        {
          viewBox: `0 0 ${WIDE} ${HIGH + FOOT}`,
          role: "group",
          "aria-label": "Alerts by hour; arrows move, Enter shows an hour's",
          class: "day",
        },
        lines,
        columns,
        marks,
      ),
    ),
  );
}

// A number that halves well, and not below.
function ceiling(most) {
  if (most <= 4) return most <= 2 ? 2 : 4;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 1.2, 1.4, 1.6, 1.8, 2, 4, 6, 8, 10]
    .filter((factor) => (factor * power) % 2 === 0)
    .map((factor) => factor * power)
    .find((candidate) => candidate >= most);
}

function short(count) {
  return count >= 1000 ? `${+(count / 1000).toPrecision(3)}k` : String(count);
}

const DECADES = [0.001, 0.01, 0.1, 1, 10, 100, 1000, 10000, 100000];

// One row a target: how long its deliveries took, on one logarithmic scale, and how many failed or wait.
export function latency(targets, onTarget) {
  if (!targets.length) return h("p", { class: "none" }, "No delivery yet.");
  const known = targets.flatMap((target) => [target.p50, target.p95]).filter((seconds) => seconds > 0);
  const low = DECADES.findLast((decade) => decade <= Math.min(...known, 0.1)) ?? DECADES[0];
  const high = DECADES.find((decade) => decade >= Math.max(...known, low * 100)) ?? DECADES.at(-1);
  const x = (seconds) => (Math.log(Math.max(seconds, low) / low) / Math.log(high / low)) * 100;
  const rows = targets.map((target) => {
    const { name, delivered, dead, waiting, p50, p95 } = target;
    const bar = svg("svg", {
      viewBox: "0 0 100 10",
      preserveAspectRatio: "none",
      class: "bar",
      "aria-hidden": "true",
    });
    for (const decade of DECADES.filter((one) => one > low && one < high)) {
      bar.append(svg("line", { class: "grid", x1: x(decade), x2: x(decade), y1: 0, y2: 10 }));
    }
    if (p95 !== null) bar.append(svg("rect", { class: "p95", x: 0, y: 2, width: Math.max(x(p95), 0.8), height: 6 }));
    if (p50 !== null) bar.append(svg("rect", { class: "p50", x: 0, y: 2, width: Math.max(x(p50), 0.8), height: 6 }));
    const count = (text, state, shown) =>
      shown
        ? h(
            "button",
            {
              type: "button",
              class: `number ${state}`,
              "data-deliveries": `${state} ${name}`,
              onclick: () => onTarget(name, state),
            },
            text,
          )
        : null;
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, said(name)),
      h("td", { class: "bars" }, bar),
      h(
        "td",
        { class: "figures" },
        p50 === null ? "–" : [h("b", {}, duration(p50)), h("span", { class: "soft" }, ` · ${duration(p95)}`)],
      ),
      h(
        "td",
        { class: "figures" },
        count(`${number(delivered)} ✓`, "delivered", delivered),
        " ",
        count(`${number(dead)} failed`, "dead", dead),
        " ",
        count(`${number(waiting)} waiting`, "waiting", waiting),
      ),
    );
  });
  return h(
    "table",
    { class: "latency" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "target"),
        h("td", { class: "scale" }, h("span", {}, duration(low)), h("span", {}, duration(high))),
        h(
          "th",
          { scope: "col", title: "within so long half of them were delivered, and 95 of a hundred" },
          "p50 · p95",
        ),
        h("th", { scope: "col" }, "deliveries"),
      ),
    ),
    h("tbody", {}, rows),
  );
}

// One stop for the tab key; the arrows go from hour to hour.
function walked(chart) {
  chart.addEventListener("keydown", (event) => {
    const column = event.target.closest(".column");
    const step = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling" }[event.key];
    if (event.key === "Enter" || event.key === " ") column.dispatchEvent(new MouseEvent("click"));
    else if (!step) return;
    if (column[step]?.classList.contains("column")) {
      column.setAttribute("tabindex", -1);
      column[step].setAttribute("tabindex", 0);
      column[step].focus();
    }
    event.preventDefault();
  });
  return chart;
}

export function summary(counts) {
  const parts = [plural(counts.alerts, "alert"), `${number(counts.delivered)} delivered`];
  if (counts.waiting) parts.push(`${number(counts.waiting)} waiting`);
  if (counts.dead) parts.push(`${number(counts.dead)} failed`);
  return parts.join(" · ");
}
