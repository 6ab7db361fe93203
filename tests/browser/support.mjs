// A storage, a `retain serve` over it, and a browser that people could have opened it in.

import { spawn, execFileSync } from "node:child_process";
import { createInterface } from "node:readline";
import { readFileSync, readdirSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const HERE = dirname(fileURLToPath(import.meta.url));
const TOP = resolve(HERE, "../..");
const RETAIN = process.env.RETAIN_BIN ?? join(TOP, "target/debug/retain");
/** The instant at which the manual's listing was taken. */
export const MANUAL_NOW = "2019-08-02T12:00:00Z";
export const SESSION = "nsmlteam/mnist/4";
/** Where pictures go. */
export const PICTURES = join(process.env.CI_OUTPUT ?? join(TOP, "target"), "browser");
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// A busy machine is slow, not wrong.
const PATIENCE = 15_000;

/** A directory of its own, gone at the end of the tests of `t`. */
export function scratch() {
  const dir = mkdtempSync(join(tmpdir(), "retain-browser-"));
  return { dir, drop: () => rmSync(dir, { recursive: true, force: true }) };
}

function retain(...args) {
  return execFileSync(RETAIN, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], env: plain() });
}

/** The command line, beside a server that runs. */
export const cli = retain;

function plain() {
  return { PATH: process.env.PATH, HOME: process.env.HOME, LC_ALL: "C.UTF-8" };
}

/** Writes the manual's session under `name`, as NSML's server had it. */
export function nsml(root, name) {
  const manual = JSON.parse(readFileSync(join(TOP, "tests/data/nsml_session.json"), "utf8"));
  for (const c of manual.checkpoints) {
    const dir = join(root, name, "nsml_model", c.id);
    mkdirSync(join(dir, "model"), { recursive: true });
    const weights = join(dir, "model/weights");
    writeFileSync(weights, "");
    truncateSync(weights, c.bytes);
    const summary = { epoch: c.epoch, loss: c.metrics.loss };
    const metadata = { checkpoint: c.id, saved_at: c.saved_at, elapsed: c.elapsed, summary };
    writeFileSync(join(dir, "metadata.json"), JSON.stringify(metadata));
  }
  writeFileSync(join(root, name, "session.json"), '{"status":"exited"}');
}

/** The ids that the session still has on disk. */
export function left(root, name = SESSION) {
  return readdirSync(join(root, name, "nsml_model")).filter((n) => n !== ".retain")
    .sort((a, b) => Number(a) - Number(b));
}

export function declare(root) {
  retain("-C", root, "init");
}

/** `retain demo`: many sessions of many frameworks. */
export function demo(dir) {
  retain("demo", dir);
  return join(dir, "storage");
}

/** `retain demo --serve`: what somebody types who knows nothing. */
export function demoServe(dir) {
  return started(["demo", "--serve", dir], join(dir, "serve-tokens.toml"), join(dir, "storage"));
}

/** Starts a server; `tokens` are by name. */
export function serve(root, state, ...more) {
  const tokens = join(state, "tokens.toml");
  const args = ["serve", "--allow-root", "--refresh", "86400", "--tokens", tokens, ...more, root];
  return started(args, tokens, root);
}

async function started(args, tokens, root) {
  const child = spawn(RETAIN, args, { stdio: ["ignore", "pipe", "pipe"], env: plain() });
  let said = "";
  child.stderr.on("data", (d) => { said += d; });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value } = await lines.next();
  if (!value) throw new Error(`the server did not start: ${said}`);
  const link = value.split(": ")[1];
  const base = link.split("/login")[0];
  const secrets = {};
  for (const entry of readFileSync(tokens, "utf8").split("[[token]]").slice(1)) {
    const field = (name) => new RegExp(`^${name} = "(.*)"`, "m").exec(entry)?.[1];
    secrets[field("name")] = field("secret");
  }
  const api = async (path, name = "administrator") => {
    const answer = await fetch(`${base}/api/v1${path}`, { headers: { authorization: `Bearer ${secrets[name]}` } });
    return answer.json();
  };
  const server = {
    link, base, secrets, api, root,
    stop: () => new Promise((done) => { child.once("exit", done); child.kill("SIGTERM"); }),
  };
  // Until the first scan is done.
  await until(async () => (await api("/roots")).roots[0].scanned_at);
  server.site = `${base}/r/${(await api("/roots")).roots[0].root}`;
  return server;
}

/** Asks until it is so. */
export async function until(ask) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`never: ${ask}`);
    await new Promise((r) => { setTimeout(r, 50); });
  }
}

export async function open() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** A page of somebody who pasted their token; `faults` are what no page may ever have. */
export async function visitor(browser, server, name = "administrator", options = {}) {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.faults = [];
  page.on("dialog", (d) => { page.faults.push(`dialog: ${d.message()}`); d.dismiss(); });
  page.on("pageerror", (e) => page.faults.push(`script: ${e.message}`));
  page.on("console", (m) => { if (m.type() === "error") page.faults.push(`console: ${m.text()}`); });
  await page.goto(`${server.base}/login`);
  await page.fill("#token", server.secrets[name]);
  await page.click("button");
  // The console tells of answers like 404 too; only what happens from here counts.
  page.faults.length = 0;
  return page;
}

export function session(server, name = SESSION) {
  return `${server.site}/session?name=${encodeURIComponent(name)}`;
}

/** What axe-core finds that keeps somebody out. */
export async function barriers(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations
    .filter((v) => ["serious", "critical"].includes(v.impact))
    .map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(" | ")}`);
}

/** Elements that make the page wider than the screen. */
export function overflow(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.body.querySelectorAll("*")]
      .filter((e) => e.getBoundingClientRect().right > width + 1 && !e.closest(".scroll"))
      .map((e) => e.outerHTML.slice(0, 120));
  });
}
