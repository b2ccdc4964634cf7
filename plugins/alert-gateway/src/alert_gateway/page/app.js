// The page: what it shows is in its address, and what it shows is asked for again every two seconds.

import { Refused, change, get } from "./api.js";
import { day, latency, summary } from "./chart.js";
import { detail } from "./detail.js";
import { by, h, number } from "./dom.js";
import { openSilence } from "./silence.js";
import { VIEWS } from "./views.js";

const PERIOD = 2000;
const LONGEST = 30000;
const PAGE = 50;
const MOST = 500;
const FILTERS = ["text", "severity", "state", "target", "source", "since", "until"];
const NONE = Object.fromEntries([...FILTERS, "alert"].map((name) => [name, ""]));
const NARROW = matchMedia("(max-width: 60rem)");

let limit = PAGE;
let failures = 0;
let timer;
let running;
let overview;
let newest; // what the last announcement was about

const query = () => new URLSearchParams(location.search);
const viewOf = (asked) => VIEWS[asked.get("view")] || VIEWS.alerts;

// The address with some of its parameters changed; those that are empty are left out.
function address(changes) {
  const asked = query();
  for (const [name, value] of Object.entries(changes)) {
    if (value) asked.set(name, value);
    else asked.delete(name);
  }
  return asked.size ? `?${asked}` : location.pathname;
}

function go(changes, replaces = false) {
  history[replaces ? "replaceState" : "pushState"](null, "", address(changes));
  moved();
}

function moved() {
  limit = PAGE;
  newest = undefined;
  showFilters();
  refresh();
}

// ---------------------------------------------------------------------------------------------- asking

async function refresh() {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  clearTimeout(timer);
  const asked = query();
  const view = viewOf(asked);
  const filters = new URLSearchParams([...asked].filter(([name]) => FILTERS.includes(name)));
  filters.set("limit", limit);
  const id = asked.get("alert");
  try {
    const [told, found, one] = await Promise.all([
      get("api/overview", mine.signal),
      get(view.filtered ? `${view.path}?${filters}` : view.path, mine.signal).catch(odd),
      id ? get(`api/alerts/${encodeURIComponent(id)}`, mine.signal).catch(gone) : null,
    ]);
    failures = 0;
    live("live", true);
    drawOverview(told);
    drawView(view, found, asked);
    drawDetail(one, asked);
    by("main").hidden = false;
  } catch (error) {
    if (mine.signal.aborted) return;
    if (error.status === 401) return signIn();
    failures += 1;
    live(error instanceof Refused ? error.message : "the gateway does not answer; trying again", false);
  }
  timer = setTimeout(refresh, Math.min(PERIOD * 2 ** failures, LONGEST));
}

// An address that somebody wrote may ask for what there is not.
function odd(error) {
  if (error.status === 400) return { odd: error.message };
  throw error;
}

function gone(error) {
  if (error.status === 404) return { missing: error.message };
  throw error;
}

const silence = (like) =>
  openSilence(like, () => {
    toast("Silenced.");
    refresh();
  });

// What a button does: the answer is seen at once, and a refusal is told.
async function act(method, path, value, done) {
  try {
    toast(done(await change(method, path, value)));
  } catch (error) {
    if (error.status === 401) signIn();
    toast(error.message, true);
  }
  refresh();
}

let hiding;
function toast(text, isWrong = false) {
  clearTimeout(hiding);
  by("toast").textContent = text;
  by("toast").classList.toggle("bad", isWrong);
  by("toast").hidden = false;
  hiding = setTimeout(() => (by("toast").hidden = true), isWrong ? 12000 : 5000);
}

function live(text, good) {
  if (by("live").textContent !== text) by("live").textContent = text;
  by("live").classList.toggle("on", good);
}

function notice(text) {
  by("notice").textContent = text;
  by("notice").hidden = !text;
}

// ---------------------------------------------------------------------------------------------- drawing

function drawOverview(told) {
  if (told === overview) return;
  overview = told;
  const { counts, store } = told;
  by("summary").textContent = summary(counts);
  const { hour, deliveries } = document.activeElement?.dataset || {};
  by("day").replaceChildren(day(told.hours, (at) => go({ view: "", since: at, until: later(at), alert: "" })));
  if (hour)
    by("day")
      .querySelector(`[data-hour="${CSS.escape(hour)}"]`)
      ?.focus();
  by("targets").replaceChildren(latency(told.targets, (target, state) => go({ ...NONE, view: "", target, state })));
  if (deliveries)
    by("targets")
      .querySelector(`[data-deliveries="${CSS.escape(deliveries)}"]`)
      ?.focus();
  const since = new Date(store.since).toLocaleString();
  notice(
    store.durable
      ? ""
      : `Without alert-outbox, known is what this process took in since ${since}; and there are no silences.`,
  );
  by("leave").hidden = !told.token;
  options(
    document.querySelector("select[name=target]"),
    told.targets.map((target) => target.name),
  );
  document.title = counts.dead ? `(${number(counts.dead)} failed) alert-gateway` : "alert-gateway";
  drawTabs();
}

const later = (at) => new Date(new Date(at).getTime() + 3600000).toISOString();

function options(select, names) {
  const asked = query().get(select.name) || "";
  const all = [...new Set(asked ? [...names, asked] : names)].sort();
  const [first, ...others] = select.children;
  if (others.map((option) => option.value).join("\n") === all.join("\n")) return; // nobody's open list is closed
  select.replaceChildren(first, ...all.map((name) => h("option", { value: name }, name)));
  select.value = asked;
}

function drawTabs() {
  const asked = query();
  const failed = asked.get("state") === "dead";
  const { counts } = overview;
  const tabs = [
    ["Alerts", { view: "", state: "" }, viewOf(asked) === VIEWS.alerts && !failed, null, ""],
    ["Failed", { view: "", state: "dead" }, viewOf(asked) === VIEWS.alerts && failed, counts.dead, "bad"],
    ["Firing", { view: "firing" }, viewOf(asked) === VIEWS.firing, counts.firing, ""],
    ["Silences", { view: "silences" }, viewOf(asked) === VIEWS.silences, counts.silences, ""],
    ["Not sent", { view: "dropped" }, viewOf(asked) === VIEWS.dropped, counts.dropped, ""],
  ];
  const focused = [...by("views").children].indexOf(document.activeElement);
  by("views").replaceChildren(
    ...tabs.map(([name, changes, current, count, kind]) => {
      const href = address({ ...NONE, ...changes });
      return h(
        "a",
        { href, "aria-current": current ? "page" : null, "data-go": true },
        name,
        count ? h("span", { class: `count ${kind}` }, number(count)) : null,
      );
    }),
  );
  if (focused >= 0) by("views").children[focused].focus();
}

function drawView(view, found, asked) {
  by("title").textContent = view.title;
  by("content").dataset.view = asked.get("view") || "alerts";
  by("filters").hidden = !view.filtered;
  const items = found[view.items] || [];
  const chosen = asked.get("alert");
  view.draw(by("list"), items, { go, act, address, silence, store: overview.store });
  for (const row of by("list").querySelectorAll("a[data-id]")) {
    const isChosen = row.dataset.id === chosen;
    if (isChosen) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
  by("empty").hidden = items.length > 0;
  if (!items.length)
    by("empty").replaceChildren(
      ...(found.odd ? [h("h3", {}, found.odd)] : view.empty(isFiltered(asked), overview.store)),
    );
  by("more").hidden = !found.more || limit >= MOST;
  const tools = view.tools?.(items, { asked, act, silence, store: overview.store, count: overview.counts }) || [];
  const told = tools.map((tool) => tool.textContent).join();
  if (by("tools").dataset.told !== told) by("tools").replaceChildren(...tools);
  by("tools").dataset.told = told;
  by("tools").hidden = !tools.length;
  if (view === VIEWS.alerts) propose(items);
  drawPeriod(asked);
  announce(view, items);
}

// The sources of what is listed, for who filters by one.
function propose(items) {
  const sources = [...new Set(items.map((alert) => alert.source).filter(Boolean))].sort();
  if (by("sources").dataset.told === sources.join("\n")) return;
  by("sources").dataset.told = sources.join("\n");
  by("sources").replaceChildren(...sources.map((value) => h("option", { value })));
}

const isFiltered = (asked) => FILTERS.some((name) => asked.get(name));

function drawPeriod(asked) {
  const since = asked.get("since");
  by("period").hidden = !since;
  if (!since || by("period").dataset.since === since) return;
  by("period").dataset.since = since;
  const until = asked.get("until");
  const said = `${new Date(since).toLocaleString()} to ${until ? new Date(until).toLocaleTimeString() : "now"} `;
  by("period").replaceChildren(
    said,
    h("button", { type: "button", class: "quiet", onclick: () => go({ since: "", until: "" }) }, "all times"),
  );
}

function announce(view, items) {
  const first = items[0]?.dispatch;
  if (view === VIEWS.alerts && newest !== undefined && first && first !== newest) {
    by("news").textContent = `New: ${items[0].severity}, ${items[0].title}`;
  }
  newest = first ?? null;
}

let drawn = null;
function drawDetail(one, asked) {
  by("columns").classList.toggle("reading", Boolean(one));
  const told = one && JSON.stringify(one);
  if (told === drawn) return;
  const isNew = !drawn || !one || JSON.parse(drawn).id !== one.id;
  drawn = told;
  const held = by("detail").contains(document.activeElement);
  by("detail").replaceChildren(...(one ? detail(one, { act, close, silence, store: overview.store }) : []));
  if (isNew) by("detail").scrollTop = 0;
  if (one && (held || (isNew && NARROW.matches && asked.get("alert")))) by("detail").focus();
}

function close() {
  const id = query().get("alert");
  go({ alert: "" });
  drawDetail(null, query());
  by("list")
    .querySelector(`[data-id="${CSS.escape(id)}"]`)
    ?.focus();
}

// ---------------------------------------------------------------------------------------------- the reader

function showFilters() {
  const asked = query();
  for (const field of by("filters").elements) {
    if (!field.name) continue;
    const value = asked.get(field.name) || "";
    if (field.tagName === "SELECT" && value && ![...field.options].some((option) => option.value === value)) {
      field.append(h("option", { value }, value));
    }
    if (field.value !== value && field !== document.activeElement) field.value = value;
  }
  if (overview) drawTabs();
}

let typing;
function filter(event) {
  const { name, value } = event.target;
  clearTimeout(typing);
  const apply = () => go({ [name]: value.trim() }, event.type === "input");
  if (event.type === "input") typing = setTimeout(apply, 250);
  else apply();
}

function keys(event) {
  if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
  const isField = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && isField) {
    event.target.blur();
  } else if (event.key === "Escape" && query().get("alert")) {
    close();
  } else if (event.key === "/" && !isField && !by("filters").hidden) {
    by("filters").elements.text.focus();
    event.preventDefault();
  } else if (["j", "k"].includes(event.key) && !isField) {
    const rows = [...by("list").querySelectorAll("a[data-id]")];
    const at = rows.findIndex((row) => row.hasAttribute("aria-current"));
    const next = rows[Math.min(Math.max(at + (event.key === "j" ? 1 : -1), 0), rows.length - 1)];
    if (next) go({ alert: next.dataset.id });
    next?.focus();
  }
}

function follow(event) {
  const link = event.target.closest?.("a[data-go]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", link.getAttribute("href"));
  moved();
}

function signIn() {
  clearTimeout(timer);
  live("signed out", false);
  by("main").hidden = true;
  by("login").dataset.needed = "yes";
  if (!by("login").open) by("login").showModal();
}

// There is nothing behind it: Escape does not leave it.
by("login").addEventListener("close", () => by("login").dataset.needed && by("login").showModal());
by("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = event.target.elements.token;
  by("wrong").textContent = "";
  try {
    await change("PUT", "api/session", { token: field.value });
    field.value = "";
    delete by("login").dataset.needed;
    by("login").close();
    refresh();
  } catch (error) {
    by("wrong").textContent = error.message;
    field.select();
  }
});
by("leave").addEventListener("click", async () => {
  await change("DELETE", "api/session").catch(() => null);
  location.reload();
});
by("filters").addEventListener("submit", (event) => event.preventDefault());
for (const field of by("filters").elements) {
  field.addEventListener(field.tagName === "SELECT" ? "change" : "input", filter);
}
by("more").addEventListener("click", () => {
  limit = Math.min(limit + PAGE, MOST);
  refresh();
});
addEventListener("click", follow);
addEventListener("keydown", keys);
addEventListener("popstate", moved);
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
by("overview").open = !NARROW.matches;
showFilters();
refresh();
