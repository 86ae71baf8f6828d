// The real program: the demo's furnished year, served on a free port, and its command line.

import { execFile, spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

// A start, a command or a stop that takes longer has hung.
const PATIENCE_MS = 120_000;

export class Service {
  static async start(binary) {
    const service = new Service();
    service.binary = binary;
    service.scratch = mkdtempSync(join(tmpdir(), "token-ledger-browser-"));
    service.data = join(service.scratch, "ledger");
    service.log = join(service.scratch, "server.log");
    const arguments_ = ["demo", "--listen", "127.0.0.1:0", "--data", service.data];
    service.process = spawn(binary, arguments_, { stdio: ["ignore", "pipe", openSync(service.log, "a")] });
    service.ended = new Promise((resolve) => service.process.once("exit", resolve));
    service.tokens = {};
    const lines = createInterface({ input: service.process.stdout });
    const hung = setTimeout(() => service.process.kill("SIGKILL"), PATIENCE_MS);
    for await (const line of lines) {
      const url = /^Token Ledger demo on (http:\S+)$/.exec(line);
      if (url) service.url = url[1];
      const token = /^ {2}(tl[a-z]{2}_\w+) {2}(.+)$/.exec(line);
      if (token) service.tokens[token[2]] = token[1];
      if (line.startsWith("Ctrl-C")) break;
    }
    clearTimeout(hung);
    if (!service.url) throw new Error(`the demo did not start:\n${readFileSync(service.log, "utf8")}`);
    service.operator = service.tokens["operator token"];
    return service;
  }

  // Runs a command on the data directory, beside the server; gives what it printed.
  command(name, ...arguments_) {
    return new Promise((resolve, reject) => {
      const words = [name, "--data", this.data, ...arguments_];
      execFile(this.binary, words, { timeout: PATIENCE_MS }, (error, out, told) => {
        if (error) reject(new Error(`${name} ${arguments_.join(" ")}: ${error.message}\n${out}${told}`));
        else resolve(out);
      });
    });
  }

  // A new sign-in link, of a user or with "--staff" of a staff token.
  async signInLink(...whom) {
    const said = await this.command("sign-in", ...whom);
    const link = /(\/sign-in\/[\w-]+)/.exec(said);
    if (!link) throw new Error(`sign-in printed no link: ${said}`);
    return this.url + link[1];
  }

  async ask(method, path, token, body) {
    const headers = { authorization: `Bearer ${token}`, "user-agent": "browser-check/1" };
    if (body !== undefined) headers["content-type"] = "application/json";
    const answer = await fetch(this.url + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    let json = null;
    try { json = text === "" ? null : JSON.parse(text); } catch { /* no JSON: the text is there */ }
    return { status: answer.status, headers: answer.headers, text, json };
  }

  async manage(method, path, body) {
    const answer = await this.ask(method, path, this.operator, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json;
  }

  logged() {
    return readFileSync(this.log, "utf8");
  }

  async stop() {
    this.process.kill("SIGTERM");
    const hung = setTimeout(() => this.process.kill("SIGKILL"), PATIENCE_MS);
    const code = await this.ended;
    clearTimeout(hung);
    return code;
  }

  remove() {
    if (this.process.exitCode === null) this.process.kill("SIGKILL");
    rmSync(this.scratch, { recursive: true, force: true });
  }
}
