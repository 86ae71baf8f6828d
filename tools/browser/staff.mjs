// What auditors and operators do: search over all accounts, review access row by row, make a report, look at the log's health.

import { expect, signIn } from "./steps.mjs";

export async function staff({ service, watch, browser }) {
  const context = await watch.context(browser);
  const page = await context.newPage();
  await signIn(page, await service.signInLink("--staff", "1"));
  await page.goto("/staff?q=deploy");
  await watch.page(page, "search");
  expect(/deploy/.test(await page.locator("main table").first().innerText()), true, "the token is found");
  await page.goto("/staff/reviews");
  await page.getByLabel("Account", { exact: true }).fill("1");
  await page.getByRole("button", { name: "Open a review" }).click();
  await watch.page(page, "an access review");
  await page.getByRole("button", { name: "Keep" }).first().click();
  expect(/keep/i.test(await page.locator("main").innerText()), true, "the decision stands");
  await page.getByRole("button", { name: "Close the review" }).click();
  await page.goto("/staff/reports");
  await watch.page(page, "reports");
  await page.goto("/staff/health");
  await watch.page(page, "log health");
  expect(/checkpoint/i.test(await page.locator("main").innerText()), true, "the checkpoint is told");
  const state = await context.storageState();
  const pages = { "staff-search": "/staff?q=example", "staff-reviews": "/staff/reviews", "staff-review": "/staff/reviews/1", "staff-reports": "/staff/reports", "staff-health": "/staff/health" };
  for (const [name, path] of Object.entries(pages)) await watch.shoot(browser, state, path, name);
  await context.close();
  // An auditor sees the same and changes nothing.
  const auditors = await watch.context(browser);
  const looking = await auditors.newPage();
  await signIn(looking, await service.signInLink("--staff", "7"));
  await looking.goto("/staff/reviews");
  expect(await looking.getByRole("button", { name: "Open a review" }).count(), 0, "auditors open no review");
  await looking.goto("/accounts/1/access_tokens");
  expect(await looking.getByRole("link", { name: "Generate token" }).count(), 0, "auditors make no token");
  await auditors.close();
}
