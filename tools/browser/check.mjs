// The pages as people use them: Debian's Chromium over the real program and the demo's furnished year.
//
//   node tools/browser/check.mjs BINARY --node-modules DIR [--screenshots DIR] [--only WORD]
//
// One line a flow; the exit code is not 0 when one failed or something was wrong on any page on the way (see look.mjs).

import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Watch } from "./look.mjs";
import { Service } from "./service.mjs";
import * as flows from "./flows.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "node-modules": { type: "string" },
    screenshots: { type: "string" },
    only: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});
if (positionals.length !== 1 || !values["node-modules"]) {
  console.error("usage: check.mjs BINARY --node-modules DIR [--screenshots DIR] [--only WORD]");
  process.exit(2);
}
const modules = resolve(values["node-modules"]);
const { chromium } = createRequire(join(modules, "node_modules", "x.js"))("playwright-core");

// As root, as in a container, its sandbox cannot be set up. Nothing but the loopback is to be asked.
const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--disable-dev-shm-usage",
];

const service = await Service.start(resolve(positionals[0]));
let [passed, failed] = [0, 0];
try {
  const browser = await chromium.launch({ executablePath: values.chromium, args: ARGUMENTS });
  const watch = new Watch(service, modules, values.screenshots && resolve(values.screenshots));
  const stage = { service, browser, watch, modules };
  for (const [name, flow] of Object.entries(flows.FLOWS)) {
    if (values.only && !name.includes(values.only) && !flow.isNeeded) continue;
    const before = watch.faults.length;
    const from = Date.now();
    try {
      await flow(stage);
    } catch (error) {
      watch.fault(`${name}: ${error.stack ?? error}`);
    }
    const isGood = watch.faults.length === before;
    if (isGood) passed += 1; else failed += 1;
    console.log(`${isGood ? "ok" : "FAILED"} ${name} (${((Date.now() - from) / 1000).toFixed(1)} s)`);
  }
  await browser.close();
  const code = await service.stop();
  if (code !== 0) watch.fault(`the service ended with ${code}`);
  const logged = service.logged();
  for (const secret of watch.secrets) if (logged.includes(secret)) watch.fault("a secret is in the service's log");
  if (/panicked/.test(logged)) watch.fault(`the service panicked: ${logged}`);
  if (watch.faults.length > 0 && failed === 0) failed = 1;
} finally {
  service.remove();
}
console.log(`browser: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
