// What people do, from signing in to signing out. Each flow goes on where the one before left off.

import { createRequire } from "node:module";
import { join } from "node:path";
import { applications } from "./applications.mjs";
import { hostileNames } from "./hostile_names.mjs";
import { screens } from "./screens.mjs";
import { staff } from "./staff.mjs";
import { withoutScript } from "./without_script.mjs";
import { expect, field, listRow, makeToken, signIn } from "./steps.mjs";

const [TEAMS, SOLO] = [1, 2];
const tokens = (account, rest = "") => `/accounts/${account}/access_tokens${rest}`;

async function signingIn(stage) {
  const { service, watch, browser } = stage;
  const link = await service.signInLink("1");
  watch.secrets.push(link.split("/").at(-1));
  // As a preview of a mail program looks at it: twice, and nothing is used up.
  for (let look = 0; look < 2; look += 1) expect((await fetch(link)).status, 200, "a look at the link");
  watch.secrets.pop();
  stage.context = await watch.context(browser, { permissions: ["clipboard-read", "clipboard-write"] });
  stage.page = await stage.context.newPage();
  await stage.page.goto(link);
  await watch.shootOpen(stage.page, "sign-in-link");
  await signIn(stage.page, link);
  watch.secrets.push(link.split("/").at(-1));
  const [cookie] = await stage.context.cookies();
  expect([cookie.httpOnly, cookie.sameSite], [true, "Lax"], "the session's cookie");
  watch.secrets.push(cookie.value);
  expect((await fetch(link, { method: "POST" })).status >= 400, true, "the link works once");
  await stage.page.goto(tokens(TEAMS));
  expect(await stage.page.locator("h1").innerText(), "API & Access", "the first page");
  await watch.page(stage.page, "API & Access");
  stage.state = await stage.context.storageState();
}
signingIn.isNeeded = true;

async function generatingOnSolo(stage) {
  const { page, watch } = stage;
  await page.goto(tokens(SOLO, "/new"));
  expect(await page.getByText("will have full access").count(), 1, "Solo explains that a token has full access");
  expect(await page.locator("fieldset.access").count(), 0, "no form of permissions on Solo");
  stage.solo = await makeToken(stage, SOLO, "browser on solo");
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied, stage.solo.secret, "what the copy button copied");
  expect((await page.locator("#curl").innerText()).includes(stage.solo.secret), true, "the curl line is ready");
  // Loaded again, left and come back to: never again.
  await page.reload({ waitUntil: "load" });
  await watch.page(page, "the secret's page loaded again");
  await page.goto(tokens(SOLO));
  await page.goBack();
  await watch.page(page, "the secret's page gone back to");
}

async function generatingOnTeams(stage) {
  const { page, watch, service, modules } = stage;
  await page.goto(tokens(TEAMS, "/new"));
  await watch.page(page, "Generate token");
  await page.getByLabel("Name", { exact: true }).fill("browser on teams");
  const zones = page.locator("#grant-zones");
  await zones.getByLabel("Read only").check();
  await zones.locator("summary").click();
  await zones.getByLabel("Search").fill("example");
  await zones.getByLabel("example.com", { exact: true }).check();
  await zones.getByLabel("example.net", { exact: true }).check();
  expect(await zones.locator(".said").innerText(), "example.com, example.net", "the picker says what was picked");
  stage.teams = await makeToken(stage, TEAMS, null);
  const { DNSimple } = createRequire(join(modules, "node_modules", "x.js"))("dnsimple");
  const fetcher = async ({ url, method, headers, body }) => {
    const answer = await fetch(url, { method, headers, body });
    return { status: answer.status, body: await answer.text() };
  };
  const client = new DNSimple({ accessToken: stage.teams.secret, baseUrl: service.url, fetcher });
  await page.goto(tokens(TEAMS, "?q=browser+on+teams"));
  expect(/never/.test(await listRow(page, "browser on teams").innerText()), true, "before its first use: never");
  const listed = await client.zones.listZones(TEAMS);
  expect(listed.data.map((zone) => zone.name).sort(), ["example.com", "example.net"], "the zones that the official client lists");
  expect((await client.zones.getZone(TEAMS, "example.net")).data.name, "example.net", "a zone that was picked");
  await page.reload();
  const row = await listRow(page, "browser on teams").innerText();
  expect(/just now|second|minute/.test(row) && !/\bnever\b.*never/s.test(row), true, `last used has changed: ${row}`);
}

async function editingWithPreview(stage) {
  const { page, watch, service } = stage;
  await page.goto(tokens(TEAMS, `/${stage.teams.id}/edit`));
  await watch.page(page, "Edit");
  const zones = page.locator("#grant-zones");
  if (!(await zones.locator("details").evaluate((details) => details.open))) await zones.locator("summary").click();
  await zones.getByLabel("example.net", { exact: true }).uncheck();
  await page.getByRole("button", { name: "Update token" }).click();
  await watch.shootOpen(page, "preview");
  const told = await page.locator("#would-refuse").innerText();
  expect(/1 of 2 uses would have been refused/.test(told), true, `the preview says so: ${told}`);
  expect(/zones:example.net:read/.test(await page.locator("main").innerText()), true, "the preview names the scope");
  await page.getByRole("button", { name: "Update token" }).click();
  const refused = await service.ask("GET", `/v2/${TEAMS}/zones/example.net`, stage.teams.secret);
  expect([refused.status, refused.json.cause], [403, "missing_scope"], "what the preview said");
  expect((await service.ask("GET", `/v2/${TEAMS}/zones/example.com`, stage.teams.secret)).status, 200, "what stays");
}

async function editingAtOnce(stage) {
  const { page, service } = stage;
  await page.goto(tokens(TEAMS, `/${stage.teams.id}/edit`));
  await service.manage("PATCH", `/v1/accounts/${TEAMS}/tokens/${stage.teams.id}`, { name: "renamed meanwhile" });
  await page.getByLabel("Name", { exact: true }).fill("browser at once");
  await page.getByRole("button", { name: "Update token" }).click();
  const told = await page.locator("main").innerText();
  expect(/meanwhile|changed/i.test(told), true, `it says that somebody changed it: ${told.slice(0, 300)}`);
  expect(await page.getByLabel("Name", { exact: true }).inputValue(), "browser at once", "what was typed is kept");
  await service.manage("PATCH", `/v1/accounts/${TEAMS}/tokens/${stage.teams.id}`, { name: "browser on teams" });
}

async function rotating(stage) {
  const { page, watch, service } = stage;
  await page.goto(tokens(TEAMS, `/${stage.teams.id}/rotate`));
  await watch.page(page, "Rotate");
  await page.getByRole("button", { name: "Rotate token" }).click();
  const secret = await page.locator("#secret").innerText();
  watch.secrets.push(secret);
  await watch.shootOpen(page, "rotated-secret", { secretIsShown: true });
  for (const works of [secret, stage.teams.secret]) {
    expect((await service.ask("GET", "/v2/whoami", works)).status, 200, "both secrets work while they overlap");
  }
  await page.goto(tokens(TEAMS, `/${stage.teams.id}/rotate`));
  expect(await page.getByText("still used").count() > 0, true, "the old secret is still used");
}

async function hittingTheLimit(stage) {
  const { page, service, watch } = stage;
  await service.manage("PATCH", `/v1/accounts/${SOLO}`, { hourly_limit: 5 });
  let last;
  for (let call = 0; call < 8; call += 1) last = await service.ask("GET", "/v2/whoami", stage.solo.secret);
  expect(last.status, 429, "over the limit");
  await page.goto(tokens(SOLO));
  await watch.page(page, "a limit that is used up");
  expect(await page.locator("#remaining").innerText(), "0", "nothing is left");
  expect(/refused over the limit/.test(await page.locator("main").innerText()), true, "the card says that some were refused");
  expect(/\d\d:\d\d|the window is over/i.test(await page.locator("#reset-in").innerText()), true, "the countdown counts");
  await page.goto(`/accounts/${SOLO}/usage`);
  await watch.page(page, "the usage of that hour");
  expect(/429|refused/i.test(await page.locator("main").innerText()), true, "the usage page shows it");
  await service.manage("PATCH", `/v1/accounts/${SOLO}`, { hourly_limit: 2_400 });
}

async function deleting(stage) {
  const { page, watch, service } = stage;
  // One of the year's, so that it was there yesterday.
  const name = "old backup job";
  await page.goto(tokens(TEAMS));
  await listRow(page, name).getByRole("link", { name: `Delete ${name}` }).click();
  await watch.page(page, "Delete");
  await page.getByRole("button", { name: "Delete token" }).click();
  await page.goto(tokens(TEAMS));
  expect(await listRow(page, name).count(), 0, "it is gone from the list");
  await page.goto(`/accounts/${TEAMS}/history?type=TokenDeleted`);
  await watch.page(page, "History");
  expect(/old backup job/.test(await page.locator("table.history").innerText()), true, "it is at home in history");
  const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 19) + "Z";
  await page.goto(tokens(TEAMS, `?as_of=${encodeURIComponent(yesterday)}`));
  await watch.page(page, "as of yesterday");
  expect(await listRow(page, name).count(), 1, "it was there yesterday");
  expect(/as of/i.test(await page.locator("[role=status]").first().innerText()), true, "the page says that it is the past");
  expect(await page.getByRole("link", { name: /^(Edit|Delete) / }).count(), 0, "the past cannot be changed");
  expect((await service.ask("GET", "/v2/whoami", stage.teams.secret)).status, 200, "the other tokens work");
}

async function reading(stage) {
  const { page, watch } = stage;
  await page.goto(tokens(TEAMS, `/${stage.teams.id}`));
  await watch.page(page, "a token's own page");
  const life = await page.locator("#life").locator("xpath=..").innerText();
  expect(/created/i.test(life) && /example\.net/.test(life) && /rotated|secret/i.test(life), true, `its life is told: ${life.slice(0, 400)}`);
  await page.locator(".timeline a", { hasText: "record" }).first().click();
  await watch.page(page, "a record");
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download the proof" }).click();
  expect(/tlog-proof/.test((await download).suggestedFilename()), true, "the proof is a file");
}

async function signingOut(stage) {
  const { page, watch } = stage;
  await page.goto(tokens(TEAMS));
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.goto(tokens(TEAMS));
  expect(new URL(page.url()).pathname, "/sign-in", "signed out");
  await watch.page(page, "Sign in");
  // A cookie that was kept opens nothing any more.
  const kept = await watch.context(stage.browser, { storageState: stage.state });
  const other = await kept.newPage();
  await other.goto(tokens(TEAMS));
  expect(new URL(other.url()).pathname, "/sign-in", "a kept cookie is of no use");
  await kept.close();
}

async function onTheWay(stage) {
  const { browser, watch, service } = stage;
  const context = await watch.context(browser);
  const page = await context.newPage();
  const wanted = `/accounts/${TEAMS}/usage?day=2026-01-31`;
  await page.goto(wanted);
  await watch.page(page, "Sign in, on the way to a page");
  const link = await service.signInLink("1");
  await signIn(page, link);
  watch.secrets.push(link.split("/").at(-1));
  const { pathname, search } = new URL(page.url());
  expect(pathname + search, wanted, "the page that was wanted");
  await page.getByRole("button", { name: "Sign out" }).click();
  await context.close();
}

export const FLOWS = {
  "sign in": signingIn,
  "generate on Solo": generatingOnSolo,
  "generate on Teams, use it with the official client": generatingOnTeams,
  "edit with preview": editingWithPreview,
  "edit at once": editingAtOnce,
  rotate: rotating,
  "hit the limit": hittingTheLimit,
  "read a token's life and take its proof": reading,
  "delete, and look it up as of yesterday": deleting,
  "OAuth application": applications,
  "screens in three forms": screens,
  staff,
  "hostile names": hostileNames,
  "sign out": signingOut,
  "on the way to a page": onTheWay,
  "a token's life without script": withoutScript,
};
