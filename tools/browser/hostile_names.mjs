// Hostile names in every field that takes text: shown as typed, and nothing else happens (look.mjs watches for that).

import { HOSTILE, REFUSED } from "./hostile.mjs";
import { expect } from "./steps.mjs";

const TEAMS = 1;

async function formOf(page, path) {
  await page.goto(path);
  return page.locator("main form[method=post]").evaluate((form) => [...new FormData(form).entries()]);
}

// Sends the form of a new token by itself, as the browser would, since a field of a page cannot hold every text.
async function generate(page, name) {
  const fields = (await formOf(page, `/accounts/${TEAMS}/access_tokens/new`)).filter(([key]) => key !== "name" && key !== "access");
  const form = new URLSearchParams([...fields, ["name", name], ["access", "full"]]).toString();
  return page.request.post(`/accounts/${TEAMS}/access_tokens`, {
    data: form,
    headers: { "content-type": "application/x-www-form-urlencoded", origin: new URL(page.url()).origin },
    maxRedirects: 0,
  });
}

export async function hostileNames({ service, page, watch }) {
  const ids = [];
  for (const name of HOSTILE) {
    const answer = await generate(page, name);
    const body = await answer.text();
    if (answer.status() !== 201) {
      watch.fault(`the name ${JSON.stringify(name)} is answered with ${answer.status()}`);
      continue;
    }
    ids.push([Number(/access_tokens\/(\d+)"/.exec(body)?.[1]), name]);
  }
  // What the ledger kept is what was typed, and each page shows just that.
  for (const [id, name] of ids) {
    const kept = (await service.manage("GET", `/v1/accounts/${TEAMS}/tokens/${id}`)).data.name;
    expect(kept, name, "the name that was kept");
  }
  for (const [id, name] of ids) {
    await page.goto(`/accounts/${TEAMS}/access_tokens/${id}/edit`);
    expect(await page.locator("#name").inputValue(), name, "the name in its form");
  }
  for (const [id, name] of ids.filter((_, index) => index % 5 === 0)) {
    await page.goto(`/accounts/${TEAMS}/access_tokens/${id}/delete`);
    expect(await page.locator("h1 bdi").evaluate((element) => element.textContent), name, "the name in the question");
    await page.goto(`/accounts/${TEAMS}/access_tokens/${id}`);
    await watch.page(page, "the page of a hostile name", { axe: false });
  }
  let next = `/accounts/${TEAMS}/access_tokens`;
  const shown = new Set();
  while (next) {
    await page.goto(next);
    for (const text of await page.locator("tbody th a bdi").evaluateAll((all) => all.map((one) => one.textContent))) shown.add(text);
    next = await page.locator("a[rel=next]").first().getAttribute("href", { timeout: 500 }).catch(() => null);
    if (next) next = new URL(next, page.url()).href;
  }
  for (const [, name] of ids) expect(shown.has(name), true, `the list shows ${JSON.stringify(name)}`);
  for (const name of HOSTILE) {
    await page.goto(`/accounts/${TEAMS}/access_tokens?q=${encodeURIComponent(name)}`);
    expect((await page.locator("#q").inputValue()).trim(), name.trim(), "what was searched for");
  }
  for (const name of HOSTILE.filter((_, index) => index % 3 === 0)) {
    await page.goto(`/accounts/${TEAMS}/history?resource=${encodeURIComponent(name)}`);
  }
  for (const name of REFUSED) {
    const answer = await generate(page, name);
    expect(answer.status(), 422, `the name ${JSON.stringify(name)} is refused`);
  }
  for (const [id] of ids) await service.ask("DELETE", `/v1/accounts/${TEAMS}/tokens/${id}`, service.operator);
}
