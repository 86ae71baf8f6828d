// An OAuth application from its registration to a recorded use, with the official client for the exchange, to its end.

import { createRequire } from "node:module";
import { createServer } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { expect } from "./steps.mjs";

const TEAMS = 1;
const LIST = `/accounts/${TEAMS}/oauth_applications`;

// Where the application waits for its users to come back.
async function waitingApplication() {
  const server = createServer((request, answer) => {
    answer.setHeader("content-type", "text/html; charset=utf-8");
    answer.end('<!doctype html><html lang="en"><title>Back</title><main><h1>Back at the application</h1></main></html>');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, redirectUri: `http://127.0.0.1:${server.address().port}/callback` };
}

export async function applications({ service, browser, state: signedIn, page, watch, modules }) {
  const { server, redirectUri } = await waitingApplication();
  watch.elsewhere = new URL(redirectUri).origin;
  try {
    await page.goto(LIST);
    await page.getByLabel("Name", { exact: true }).fill("zone mirror");
    await page.getByLabel("Redirect URIs, one a line").fill(redirectUri);
    await page.getByRole("button", { name: "Register application" }).click();
    const clientSecret = /tlkc_\w+/.exec(await page.locator("main").innerText())[0];
    watch.secrets.push(clientSecret);
    await watch.shootOpen(page, "application-secret", { secretIsShown: true });
    await page.goto(LIST);
    const row = page.locator("tr", { hasText: "zone mirror" }).last();
    const clientId = (await row.locator("code").innerText()).trim();
    const { DNSimple } = createRequire(join(modules, "node_modules", "x.js"))("dnsimple");
    const fetcher = async ({ url, method, headers, body }) => {
      const answer = await fetch(url, { method, headers, body });
      return { status: answer.status, body: await answer.text() };
    };
    const bare = new DNSimple({ baseUrl: service.url, fetcher });
    const state = "a-state-of-its-own";
    // Allows it on an account, as a person does, and exchanges the code, as the application does.
    const authorized = async () => {
      await page.goto(`/oauth/authorize?${new URLSearchParams({ response_type: "code", client_id: clientId, redirect_uri: redirectUri, state })}`);
      await watch.page(page, "the consent page");
      const account = page.getByLabel("Example Teams");
      if (await account.count() > 0) await account.check();
      await page.getByRole("button", { name: "Allow" }).click();
      await page.waitForURL((url) => url.origin === new URL(redirectUri).origin);
      const back = new URL(page.url()).searchParams;
      expect(back.get("state"), state, "the state came back");
      const given = await bare.oauth.exchangeAuthorizationForToken({ code: back.get("code"), clientId, clientSecret, redirectUri, state });
      watch.secrets.push(given.access_token);
      return given;
    };
    const given = await authorized();
    const client = new DNSimple({ accessToken: given.access_token, baseUrl: service.url, fetcher });
    expect((await client.identity.whoami()).data.account.id, TEAMS, "whoami with the OAuth token");
    expect((await client.zones.listZones(TEAMS)).data.length > 0, true, "zones with the OAuth token");
    const uses = (await service.manage("GET", "/v1/events?type=TokenUsed&order=desc&limit=2")).data;
    expect(uses.every((event) => event.account_id === TEAMS), true, "its uses are recorded");
    // Whoever authorized it finds it on their own page, and ends it there.
    await watch.shoot(browser, signedIn, "/user", "user-with-an-authorization");
    await page.goto("/user");
    const own = page.locator("tr", { hasText: "zone mirror" });
    expect(/Example Teams[^]*just now|Example Teams[^]*minute/.test(await own.innerText()), true, `the list says where and when: ${await own.innerText()}`);
    await own.getByRole("button", { name: "Revoke zone mirror, authorized on Example Teams" }).click();
    expect(await page.locator("tr", { hasText: "zone mirror" }).count(), 0, "it is gone from the list");
    expect((await service.ask("GET", "/v2/whoami", given.access_token)).status, 401, "revoked by the person");
    // Authorized again, it is ended by whoever manages the account.
    const again = await authorized();
    expect((await service.ask("GET", "/v2/whoami", again.access_token)).status, 200, "authorized again");
    await page.goto(`/accounts/${TEAMS}/access_tokens`);
    await page.getByRole("link", { name: "OAuth applications" }).click();
    await page.getByRole("button", { name: /^Revoke zone mirror/ }).first().click();
    expect((await service.ask("GET", "/v2/whoami", again.access_token)).status, 401, "revoked by the account");
    await page.goto(LIST);
    await watch.page(page, "OAuth applications");
  } finally {
    server.close();
  }
}
