// The official Node.js client against a running server. Started by check.py, which says on standard input where the
// server is and with which tokens to ask, and which afterwards looks for every call in the log.
//
// One line a check; the exit code is not 0 when one failed.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

const { url, account, full, scoped, modules } = JSON.parse(readFileSync(0, "utf8"));
const { DNSimple } = createRequire(join(modules, "node_modules", "x.js"))("dnsimple");

// The built-in fetcher speaks https only; a fetcher of one's own is a public option of the client.
async function fetcher({ url, method, headers, body }) {
  const answer = await fetch(url, { method, headers, body });
  return { status: answer.status, body: await answer.text() };
}

function client(accessToken) {
  return new DNSimple({ accessToken, baseUrl: url, fetcher });
}

function check(name, expected, got) {
  if (!isDeepStrictEqual(got, expected)) {
    console.error(`FAILED ${name}\n  expected ${JSON.stringify(expected)}\n  got      ${JSON.stringify(got)}`);
    process.exit(1);
  }
  console.log(`ok ${name}`);
}

async function refusal(call) {
  try {
    await call;
    return "nothing was refused";
  } catch (error) {
    return { kind: error.constructor.name, status: error.status, message: error.data?.message };
  }
}

const whoami = await client(full).identity.whoami();
check("node client: whoami names the account", [account, null], [whoami.data.account.id, whoami.data.user]);

const zones = await client(full).zones.listZones(account, { name_like: "example.", sort: "name:desc" });
const names = zones.data.map((zone) => zone.name);
check("node client: zones, filtered and sorted", ["example.org", "example.net", "example.com"], names);

const pages = [];
for await (const zone of client(full).zones.listZones.iterateAll(account, { per_page: 2 })) {
  pages.push(zone.name);
}
check("node client: its iterator ends after the last page", 5, pages.length);

check(
  "node client: a zone outside the grant is refused with the scope it takes",
  { kind: "ClientError", status: 403, message: "Permission Denied. Required Scope: zones:example.org:read" },
  await refusal(client(scoped).zones.getZone(account, "example.org")),
);

check(
  "node client: a missing zone",
  { kind: "NotFoundError", status: 404, message: "Zone `missing.example` not found" },
  await refusal(client(full).zones.getZone(account, "missing.example")),
);
