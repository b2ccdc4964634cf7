// The dialog in which a provider is made to fail.

import { NAMES } from "./detail.js";
import { h } from "./dom.js";

const by = (id) => document.getElementById(id);

export async function prepare() {
  const { faults, kinds } = await (await fetch("/api/faults")).json();
  by("fault-kind").append(...kinds.map((kind) => h("option", { value: kind }, NAMES[kind] || kind)));
  by("kind").append(...kinds.map((kind) => h("option", { value: kind }, NAMES[kind] || kind)));
  by("fault-name").append(
    ...Object.keys(faults)
      .filter((name) => name !== "ok")
      .map((name) => h("option", { value: name }, name)),
  );
  const tell = () => {
    by("fault-told").textContent = faults[by("fault-name").value];
  };
  by("fault-name").addEventListener("change", tell);
  tell();
  by("open-faults").addEventListener("click", () => by("faults").showModal());
  by("set-fault").addEventListener("click", set);
}

async function put(plans) {
  const answer = await fetch("/api/faults", { method: "PUT", body: JSON.stringify(plans) });
  if (!answer.ok) by("fault-told").textContent = (await answer.json()).error;
}

async function set() {
  const argument = by("fault-argument").value.trim().replaceAll(",", "");
  const fault = by("fault-name").value + (argument ? `:${argument}` : "");
  const often = Number(by("fault-often").value);
  await put({ [by("fault-kind").value]: often ? `${`${fault},`.repeat(often)}ok` : fault });
}

export function show(plans) {
  const set = Object.entries(plans);
  by("fault-count").hidden = set.length === 0;
  by("fault-count").textContent = String(set.length);
  by("plans").replaceChildren(
    ...set.map(([kind, plan]) =>
      h(
        "li",
        {},
        h("b", {}, kind === "*" ? "every one" : NAMES[kind] || kind),
        h("code", {}, plan),
        h("button", { type: "button", onclick: () => put({ [kind]: "" }) }, "End"),
      ),
    ),
  );
}
