// Steps that several flows take.

import { isDeepStrictEqual } from "node:util";

export function expect(got, expected, what) {
  if (!isDeepStrictEqual(got, expected)) {
    throw new Error(`${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`);
  }
}

export async function signIn(page, link) {
  await page.goto(link);
  await page.locator("main").getByRole("button", { name: /sign in/i }).click();
  await page.waitForURL((url) => !url.pathname.startsWith("/sign-in"));
}

// The row of a token in the list of the page.
export function listRow(page, name) {
  return page.locator("tr", { has: page.locator("th bdi").getByText(name, { exact: true }) });
}

// Sends the form that is open, with a name if one is given; gives number and secret, and copies it as a person would.
export async function makeToken({ page, watch }, account, name) {
  if (name !== null) await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByRole("button", { name: "Generate token" }).click();
  const secret = await page.locator("#secret").innerText();
  watch.secrets.push(secret);
  await watch.shootOpen(page, account === 2 ? "secret-solo" : "secret", { secretIsShown: true });
  const copy = page.locator("button[data-copy=secret]");
  if (await copy.isVisible()) await copy.click();
  const link = await page.getByRole("link", { name: "To the token" }).getAttribute("href");
  return { id: Number(link.split("/").at(-1)), secret };
}

// A field of a form by its label, in the page's main part.
export function field(page, label) {
  return page.locator("main").getByLabel(label);
}
