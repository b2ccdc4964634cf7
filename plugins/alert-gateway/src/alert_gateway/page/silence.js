// The dialog that makes a silence: matchers, how long, who and why.

import { Refused, change } from "./api.js";
import { by, h, said } from "./dom.js";

const form = by("silence-form");
const NAME = "alert-gateway-author";
// Metadata that says which event it is.
const TELLING = /^(alertname|alert_id|rule|monitor|instance|cluster|service|check)$/i;
let finished;
// A dedup key that a matcher takes as it is: one that would be a pattern, or that a field cannot hold, is none.
const EXACT = /^(?!re:)\S(?:.{0,998}\S)?$/;
let known = {}; // the fields of what is to be silenced, and their values
let alike = []; // the matchers of all that is like it
let asking;

function matcher(field = "", wanted = "") {
  const value = h("input", {
    name: "wanted",
    value: wanted,
    required: true,
    placeholder: "db, >=error, re:web-.*",
    autocomplete: "off",
    maxlength: 1000,
  });
  const name = h("input", {
    name: "field",
    value: field,
    list: "fields",
    required: true,
    placeholder: "metadata.cluster",
    autocomplete: "off",
    maxlength: 200,
  });
  name.addEventListener("input", () => (value.value ||= known[name.value] ?? ""));
  const row = h(
    "div",
    { class: "matcher" },
    h("label", {}, h("span", { class: "hidden" }, "Field"), name),
    h("span", { "aria-hidden": "true" }, "="),
    h("label", {}, h("span", { class: "hidden" }, "Value"), value),
    h(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-label": "Remove this field",
        onclick: () => (row.remove(), reach()),
      },
      "✕",
    ),
  );
  return row;
}

function show(matchers) {
  const names = [...new Set([...Object.keys(known), "source", "severity", "tags"])];
  by("matchers").replaceChildren(
    h(
      "datalist",
      { id: "fields" },
      names.map((value) => h("option", { value })),
    ),
    ...matchers.map(([name, value]) => matcher(name, value)),
  );
}

// `like`: an alert, or an event that fires; null: an empty form. `done` is called once it is made.
export function openSilence(like, done) {
  finished = done;
  known = {};
  if (like?.source) known.source = like.source;
  if (like?.tags?.length) known.tags = like.tags.join(", ");
  for (const [name, value] of Object.entries(like?.metadata || {})) {
    if (["string", "number"].includes(typeof value)) known[`metadata.${name}`] = String(value);
  }
  const telling = Object.entries(known).filter(
    ([name]) => !name.startsWith("metadata.") || TELLING.test(name.slice(9)),
  );
  if (like) known.severity = like.severity;
  if (telling.length < 2) telling.push(["severity", like?.severity || ""]);
  alike = telling;
  const key = EXACT.test(like?.dedup_key || "") ? like.dedup_key : "";
  if (key) known.dedup_key = key;
  by("widen").hidden = !key;
  show(key ? [["dedup_key", key]] : telling);
  form.elements.for.value = "2h";
  form.elements.author.value ||= remembered();
  form.elements.reason.value = "";
  by("silence-wrong").textContent = "";
  by("silence").showModal();
  reach();
  form.elements.reason.focus();
}

function remembered() {
  try {
    return localStorage.getItem(NAME) || "";
  } catch {
    return ""; // the browser keeps nothing
  }
}

function wanted() {
  const match = {};
  for (const row of by("matchers").querySelectorAll(".matcher")) {
    const [field, value] = [...row.querySelectorAll("input")].map((input) => input.value.trim());
    match[field] =
      field === "tags"
        ? value
            .split(",")
            .map((tag) => tag.trim())
            .filter(Boolean)
        : value;
  }
  return match;
}

// What the matchers would keep quiet of what fires now, told while they are written.
function reach() {
  clearTimeout(asking);
  asking = setTimeout(async () => {
    let told = "";
    let isWide = false;
    try {
      const found = await change("POST", "api/silences/preview", { match: wanted() });
      isWide = found.fits > 1;
      const more = found.fits > found.titles.length ? " …" : "";
      told = `Of ${found.of} that fire now it keeps ${found.fits} quiet`;
      if (found.fits) told += `: ${found.titles.join("; ")}${more}`;
    } catch {
      // half written: what is wrong is told when it is sent
    }
    by("reach").replaceChildren(told ? said(told) : "");
    by("reach").classList.toggle("wide", isWide);
  }, 300);
}

by("matchers").addEventListener("input", reach);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { author, reason } = form.elements;
  const value = {
    match: wanted(),
    for: form.elements.for.value.trim(),
    author: author.value.trim(),
    reason: reason.value.trim(),
  };
  try {
    const made = await change("POST", "api/silences", value);
    try {
      localStorage.setItem(NAME, value.author);
    } catch {
      // the browser keeps nothing
    }
    by("silence").close();
    finished(made);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    by("silence-wrong").textContent = error.message;
  }
});
by("silence-cancel").addEventListener("click", () => by("silence").close());
by("widen").addEventListener("click", () => {
  by("widen").hidden = true;
  show(alike);
  reach();
});
by("add-matcher").addEventListener("click", () => {
  by("matchers").append(matcher());
  by("matchers").lastElementChild.querySelector("input").focus();
});
