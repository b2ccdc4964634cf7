// The inbox: what arrives is told by server-sent events, newest first; the filters are here.

import { NAMES, detail, state } from "./detail.js";
import { h, marked, time } from "./dom.js";
import * as faults from "./faults.js";

const LIMIT = 500;
const by = (id) => document.getElementById(id);
const messages = new Map();
const rows = new Map();
let chosen = 0;
let follows = true; // the newest is shown until the reader chooses

function row(message) {
  const button = h(
    "button",
    { type: "button", "data-id": message.id, onclick: () => choose(message.id) },
    h(
      "span",
      { class: "facts" },
      h("span", { class: "kind" }, NAMES[message.kind] || message.kind),
      message.severity ? h("span", { class: `severity ${message.severity}` }, message.severity) : null,
      message.accepted ? null : h("span", { class: "bad" }, state(message)),
      message.masked ? h("span", { class: "masks" }, `${message.masked} masked`) : null,
      time(message.at),
    ),
    h("span", { class: "title" }, marked(message.title || "(no title)")),
    h("span", { class: "to" }, message.to.join(", ")),
  );
  return h("li", {}, button);
}

function passes(message) {
  const text = by("text").value.trim().toLowerCase();
  return (
    (!by("kind").value || by("kind").value === message.kind) &&
    (!by("severity").value || by("severity").value === message.severity) &&
    (!text || `${message.title}\n${message.text}\n${message.to.join(" ")}`.toLowerCase().includes(text))
  );
}

function arrive(message) {
  if (messages.has(message.id)) return;
  messages.set(message.id, message);
  const item = row(message);
  rows.set(message.id, item);
  by("list").prepend(item);
  if (location.hash === `#${message.id}`) {
    chosen = message.id;
    follows = false;
  }
  if (messages.size > LIMIT) forget(messages.keys().next().value);
  news(message);
  later();
}

function forget(id) {
  messages.delete(id);
  rows.get(id)?.remove();
  rows.delete(id);
}

let told;
function news(message) {
  clearTimeout(told);
  told = setTimeout(() => {
    by("news").textContent = `New: ${NAMES[message.kind]}, ${message.severity}, ${message.title}`;
  }, 400);
}

// What arrives in one burst is drawn once.
let drawing = 0;
function later() {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    draw();
  });
}

function draw() {
  let shown = 0;
  let newest = 0;
  for (const [id, message] of messages) {
    const fits = passes(message);
    rows.get(id).hidden = !fits;
    shown += fits;
    if (fits) newest = id;
  }
  const all = messages.size;
  by("total").textContent = shown === all ? `${all} ${all === 1 ? "message" : "messages"}` : `${shown} of ${all} messages`;
  by("empty").hidden = all > 0;
  if (follows) chosen = newest;
  drawDetail();
}

let drawn = null;
function drawDetail() {
  const message = messages.get(chosen);
  for (const [id, item] of rows) {
    item.firstChild.toggleAttribute("aria-current", id === chosen);
  }
  by("columns").classList.toggle("reading", Boolean(message) && !follows);
  const incident = message?.view.incident ? messages.size : 0; // an incident changes with its later events
  const wanted = message ? `${message.id} ${incident}` : "";
  if (wanted === drawn) return;
  drawn = wanted;
  by("detail").replaceChildren(...(message ? detail(message, [...messages.values()], back) : []));
}

function choose(id) {
  chosen = id;
  follows = false;
  if (location.hash !== `#${id}`) history.pushState(null, "", `#${id}`);
  drawDetail();
  rows.get(id)?.scrollIntoView({ block: "nearest" });
  by("detail").scrollTop = 0;
  if (matchMedia("(max-width: 47rem)").matches) by("detail").focus();
}

function back() {
  const left = rows.get(chosen)?.firstChild;
  follows = true;
  history.pushState(null, "", location.pathname);
  draw();
  left?.focus();
}

function byAddress() {
  const id = Number(location.hash.slice(1));
  follows = !messages.has(id);
  if (!follows) chosen = id;
  draw();
}

function visible() {
  return [...by("list").querySelectorAll("li:not([hidden]) > button")];
}

function keys(event) {
  if (by("faults").open || event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && event.target === by("text")) {
    by("text").value = "";
    draw();
  } else if (event.key === "Escape" && !follows) {
    back();
  } else if (event.key === "/" && !typing) {
    by("text").focus();
    event.preventDefault();
  } else if (["ArrowDown", "ArrowUp", "j", "k"].includes(event.key) && !typing) {
    const inList = by("list").contains(event.target) || event.target === document.body;
    if (!inList && event.key.startsWith("Arrow")) return;
    const buttons = visible();
    const at = buttons.findIndex((button) => Number(button.dataset.id) === chosen);
    const next = buttons[Math.min(Math.max(at + (event.key === "ArrowDown" || event.key === "j" ? 1 : -1), 0), buttons.length - 1)];
    if (next) {
      choose(Number(next.dataset.id));
      next.focus();
    }
    event.preventDefault();
  }
}

function empty() {
  for (const id of [...messages.keys()]) forget(id);
  drawn = null;
  follows = true;
  draw();
}

function listen() {
  const stream = new EventSource("/api/events");
  const live = (text, good) => {
    by("live").textContent = text;
    by("live").classList.toggle("on", good);
  };
  stream.onopen = () => {
    live("live", true);
    empty(); // all that there is comes again
  };
  stream.onerror = () => live("the sandbox is gone; trying again", false);
  stream.onmessage = (event) => arrive(JSON.parse(event.data));
  stream.addEventListener("clear", empty);
  stream.addEventListener("faults", (event) => faults.show(JSON.parse(event.data)));
}

async function introduce() {
  const variables = await (await fetch("/api/environment")).json();
  const ports = `--port ${location.port} --smtp-port ${variables.ALERT_SMTP_PORT}`;
  by("how").textContent = `eval "$(alertctl sandbox --env ${ports})"\nalertctl send "Disk full" -m "/var is at 98 %" -s critical`;
}

by("text").addEventListener("input", draw);
for (const id of ["kind", "severity"]) by(id).addEventListener("change", draw);
by("filters").addEventListener("submit", (event) => event.preventDefault());
by("clear").addEventListener("click", () => fetch("/api/messages", { method: "DELETE" }));
addEventListener("keydown", keys);
addEventListener("popstate", byAddress);
await Promise.all([faults.prepare(), introduce()]);
listen();
