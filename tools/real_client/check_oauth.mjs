// OAuth with the official Node.js client. Started by check_oauth.py, which plays the person's browser: without a code it
// says where the client sends people, with one it exchanges it and asks with the token.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const told = JSON.parse(readFileSync(0, "utf8"));
const { url, account, modules, clientId, clientSecret, redirectUri, state, code } = told;
const { DNSimple } = createRequire(join(modules, "node_modules", "x.js"))("dnsimple");

// The built-in fetcher speaks https only; a fetcher of one's own is a public option of the client.
async function fetcher({ url, method, headers, body }) {
  const answer = await fetch(url, { method, headers, body });
  return { status: answer.status, body: await answer.text() };
}

const bare = new DNSimple({ baseUrl: url, fetcher });
if (code === undefined) {
  console.log(JSON.stringify({ authorize: bare.oauth.authorizeUrl({ clientId, state, redirectUri }) }));
} else {
  const given = await bare.oauth.exchangeAuthorizationForToken({ code, clientId, clientSecret, redirectUri, state });
  const client = new DNSimple({ accessToken: given.access_token, baseUrl: url, fetcher });
  const whoami = await client.identity.whoami();
  const zones = await client.zones.listZones(account);
  console.log(
    JSON.stringify({
      token: given.access_token,
      token_account: given.account_id,
      whoami_account: whoami.data.account.id,
      zones: zones.data.map((zone) => zone.name),
    }),
  );
}
