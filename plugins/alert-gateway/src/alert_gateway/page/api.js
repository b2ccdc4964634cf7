// What the page asks of the gateway: JSON, and nothing again that has not changed.

const tags = new Map(); // of each address, what was answered last and its ETag

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

// The answer, and whether it is another than the last time.
export async function get(path, signal) {
  const last = tags.get(path);
  const headers = last ? { "If-None-Match": last.tag } : {};
  const answer = await fetch(path, { headers, signal, cache: "no-store" });
  if (answer.status === 304 && last) return last.value;
  const value = await read(answer);
  const tag = answer.headers.get("ETag");
  if (tags.size > 50) tags.clear();
  if (tag) tags.set(path, { tag, value });
  return value;
}

// No other site's page can make a browser send JSON here.
export async function change(method, path, value = {}) {
  const headers = { "Content-Type": "application/json" };
  return read(await fetch(path, { method, headers, body: JSON.stringify(value) }));
}

async function read(answer) {
  const text = await answer.text();
  let value = {};
  try {
    value = text ? JSON.parse(text) : {};
  } catch {
    // not our own answer, but a proxy's
  }
  if (!answer.ok) throw new Refused(answer.status, value.error || `the gateway answered ${answer.status}`);
  return value;
}
