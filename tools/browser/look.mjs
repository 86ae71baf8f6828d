// What is true of every page, whatever is on it: nothing leaves the origin, no dialog, no report of the content security
// policy, no error in the console, no secret that was shown before, and nothing serious that axe finds.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

export const FORMS = [
  { name: "light", colorScheme: "light", viewport: { width: 1280, height: 900 } },
  { name: "dark", colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  { name: "phone", colorScheme: "light", viewport: { width: 375, height: 812 } },
];

export class Watch {
  constructor(service, modules, screenshots) {
    this.service = service;
    this.axe = readFileSync(createRequire(join(modules, "node_modules", "x.js")).resolve("axe-core/axe.min.js"), "utf8");
    this.screenshots = screenshots;
    if (screenshots) mkdirSync(screenshots, { recursive: true });
    this.faults = [];
    // The origin of an application that people come back to, where a flow has one.
    this.elsewhere = null;
    // Secrets that were shown: no later page, address, storage or log may have one.
    this.secrets = [];
  }

  fault(what) {
    this.faults.push(what);
    console.error(`FAULT ${what}`);
  }

  // A context whose pages are watched.
  async context(browser, options = {}) {
    const context = await browser.newContext({ baseURL: this.service.url, locale: "en-GB", timezoneId: "UTC", ...options });
    context.setDefaultTimeout(30_000);
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
    });
    context.on("page", (page) => this.watch(page));
    return context;
  }

  watch(page) {
    page.on("dialog", (dialog) => { this.fault(`a dialog at ${page.url()}: ${dialog.message()}`); dialog.dismiss(); });
    page.on("pageerror", (error) => this.fault(`a script failed at ${page.url()}: ${error.message}`));
    page.on("console", (message) => {
      const text = message.text();
      // A page that is refused on purpose is told in the console too.
      if (message.type() === "error" && !/Failed to load resource: the server responded with a status of [45]/.test(text)) {
        this.fault(`console at ${page.url()}: ${text}`);
      }
    });
    page.on("request", (request) => {
      const at = request.url();
      if (!at.startsWith(this.service.url + "/") && !(this.elsewhere && at.startsWith(this.elsewhere)) && !at.startsWith("data:") && !at.startsWith("about:")) this.fault(`${page.url()} asked for ${at}`);
      for (const secret of this.secrets) if (at.includes(secret)) this.fault(`a secret is in an address: ${new URL(at).pathname}`);
    });
  }

  // Looks at the page as it is now.
  async page(page, name, { secretIsShown = false, axe = true } = {}) {
    const html = await page.content();
    for (const secret of this.secrets) {
      if (html.includes(secret) && !(secretIsShown && secret === this.secrets.at(-1))) this.fault(`${name} shows a secret again`);
    }
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    if (kept !== '[{},{},""]') this.fault(`${name}: scripts can read ${kept}`);
    if (axe) await this.axeOf(page, name);
  }

  async axeOf(page, name) {
    // By the debugger, since the page's own policy lets no other script in.
    await page.evaluate(this.axe);
    const found = await page.evaluate(async () => {
      const result = await globalThis.axe.run(document, { resultTypes: ["violations"] });
      return result.violations
        .filter((violation) => ["serious", "critical"].includes(violation.impact))
        .map((violation) => `${violation.id}: ${violation.help}: ${violation.nodes.map((node) => node.target.join(" ")).slice(0, 4).join(" | ")}`);
    });
    for (const one of found) this.fault(`axe at ${name}: ${one}`);
  }

  // Screenshots of a page that is open, in every form: of what only sending a form shows, or shows once.
  async shootOpen(page, name, looked = {}) {
    const before = page.viewportSize();
    for (const { name: form, colorScheme, viewport } of FORMS) {
      await page.setViewportSize(viewport);
      // Without motion: a colour on its way from one form to the other is neither.
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await this.page(page, `${name} (${form})`, looked);
      await this.picture(page, name, form);
    }
    await page.emulateMedia({ colorScheme: null, reducedMotion: null });
    await page.setViewportSize(before);
  }

  async picture(page, name, form) {
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wider > 1) this.fault(`${name} (${form}) is ${wider} pixels wider than the window`);
    if (this.screenshots) await page.screenshot({ path: join(this.screenshots, `${name}-${form}.png`), fullPage: true });
  }

  // Screenshots of a path in every form, each looked at by axe.
  async shoot(browser, state, path, name) {
    for (const { name: form, ...options } of FORMS) {
      const context = await this.context(browser, { ...options, storageState: state });
      const page = await context.newPage();
      const answer = await page.goto(path);
      if (answer.status() >= 400 && !name.startsWith("error")) this.fault(`${name}: ${path} answered ${answer.status()}`);
      await this.page(page, `${name} (${form})`);
      await this.picture(page, name, form);
      await context.close();
    }
  }
}
