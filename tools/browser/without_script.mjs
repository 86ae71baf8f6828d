// A token's whole life where the browser runs no script: everything is links and forms.

import { expect, listRow, makeToken, signIn } from "./steps.mjs";

const LIST = "/accounts/1/access_tokens";

export async function withoutScript(stage) {
  const { service, watch, browser } = stage;
  const context = await watch.context(browser, { javaScriptEnabled: false });
  const page = await context.newPage();
  await signIn(page, await service.signInLink("1"));
  await page.goto(`${LIST}/new`);
  const zones = page.locator("#grant-zones");
  await zones.getByLabel("Read only").check();
  await zones.locator("summary").click();
  await zones.getByLabel("Only these:").check();
  await zones.getByLabel("example.com", { exact: true }).check();
  const token = await makeToken({ page, watch: { ...watch, secrets: watch.secrets, shootOpen: async () => {} } }, 1, "no script");
  expect((await service.ask("GET", "/v2/1/zones/example.com", token.secret)).status, 200, "it works");
  await page.goto(LIST);
  await listRow(page, "no script").getByRole("link", { name: "Edit no script" }).click();
  await page.locator("#grant-zones").getByLabel("No access").check();
  await page.locator("#grant-domains").getByLabel("Read only").check();
  await page.getByRole("button", { name: "Update token" }).click();
  expect(/would have been refused/.test(await page.locator("main").innerText()), true, "the preview");
  await page.getByRole("button", { name: "Update token" }).click();
  expect((await service.ask("GET", "/v2/1/zones/example.com", token.secret)).status, 403, "it is narrowed");
  await page.goto(`${LIST}/${token.id}/rotate`);
  await page.getByRole("button", { name: "Rotate token" }).click();
  const second = await page.locator("#secret").innerText();
  watch.secrets.push(second);
  expect((await service.ask("GET", "/v2/whoami", second)).status, 200, "the second secret works");
  await page.goto(`${LIST}/${token.id}`);
  expect(/created/i.test(await page.locator("main").innerText()), true, "its own page");
  await page.goto(`${LIST}/${token.id}/delete`);
  await page.getByRole("button", { name: "Delete token" }).click();
  expect((await service.ask("GET", "/v2/whoami", second)).status, 401, "it is deleted");
  await page.goto(`/accounts/1/history?token=${token.id}`);
  expect(/TokenDeleted|deleted/i.test(await page.locator("main").innerText()), true, "its history");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.goto(LIST);
  expect(new URL(page.url()).pathname, "/sign-in", "signed out");
  await context.close();
}
