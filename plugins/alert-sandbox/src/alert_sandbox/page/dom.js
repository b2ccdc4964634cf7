// Elements out of plain values. Nothing is ever parsed as HTML: text becomes text nodes, and an address becomes a link
// only where it is http, https or mailto.

const MASKED = /(\[REDACTED(?::[^\]\n]{1,64})?\]|<credential>)/;

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "onclick") element.addEventListener("click", value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

// The text, with what was masked made visible.
export function marked(text) {
  return String(text)
    .split(MASKED)
    .filter((part) => part !== "")
    .map((part) => {
      if (!MASKED.test(part)) return part;
      if (part === "<credential>") return h("mark", { class: "credential", title: "hidden by the sandbox" }, part);
      const rule = part.slice(10, -1).replace(/^:/, "");
      const title = rule ? `masked before it was sent, by the rule ${rule}` : "masked before it was sent, by its key";
      return h("mark", { class: "masked", title }, part);
    });
}

export function link(address, children, attributes = {}) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return h("span", attributes, children);
  }
  if (!["http:", "https:", "mailto:"].includes(url.protocol)) return h("span", attributes, children);
  return h("a", { ...attributes, href: url.href, target: "_blank", rel: "noreferrer noopener" }, children);
}

export function table(rows) {
  return h(
    "dl",
    { class: "rows" },
    rows.map(([name, value]) => h("div", {}, h("dt", {}, marked(name)), h("dd", {}, value))),
  );
}

// Tabs over panels, by the pattern of WAI-ARIA: arrows move, one panel shows.
export function tabs(label, panels) {
  const id = `tabs-${(tabs.last = (tabs.last || 0) + 1)}`;
  const buttons = panels.map(([name], index) =>
    h("button", { type: "button", role: "tab", id: `${id}-${index}`, "aria-controls": `${id}-panel-${index}` }, name),
  );
  const bodies = panels.map(([, content], index) =>
    h("div", { role: "tabpanel", id: `${id}-panel-${index}`, "aria-labelledby": `${id}-${index}` }, content),
  );
  const show = (chosen) => {
    buttons.forEach((button, index) => {
      button.setAttribute("aria-selected", String(index === chosen));
      button.tabIndex = index === chosen ? 0 : -1;
      bodies[index].hidden = index !== chosen;
    });
  };
  buttons.forEach((button, index) => {
    button.addEventListener("click", () => show(index));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (index + step + buttons.length) % buttons.length;
      show(next);
      buttons[next].focus();
      event.preventDefault();
    });
  });
  show(0);
  return h("div", { class: "tabs" }, h("div", { role: "tablist", "aria-label": label }, buttons), bodies);
}

export function time(text) {
  const at = new Date(text);
  return h("time", { datetime: text, title: at.toLocaleString() }, at.toLocaleTimeString());
}
