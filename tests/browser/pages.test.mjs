// What each page can do beyond deleting: sorting, filtering, files to take away, progress, purging.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { SESSION, cli, demoServe, left, open, scratch, session, visitor } from "./support.mjs";

let browser;
before(async () => { browser = await open(); });
after(() => browser.close());

let place, server, page;
beforeEach(async () => {
  place = scratch();
  server = await demoServe(join(place.dir, "demo"));
  page = await visitor(browser, server);
});
afterEach(async () => {
  await server.stop();
  place.drop();
});

/** `1.88 MiB` in bytes. */
const bytes = (text) => {
  const [n, unit] = text.split(" ");
  return Number(n) * 1024 ** ["B", "KiB", "MiB", "GiB"].indexOf(unit);
};
const take = async (click) => {
  const [download] = await Promise.all([page.waitForEvent("download"), click()]);
  return readFileSync(await download.path(), "utf8");
};

test("sessions are sorted by the heads of their columns, and the other way round", async () => {
  await page.goto(`${server.site}/sessions`);
  const sizes = async () => (await page.locator("#sessions tbody td:nth-child(3)").allInnerTexts()).map(bytes);
  const head = () => page.locator("#sessions thead th", { hasText: "Size" });
  await head().getByRole("link").click();
  assert.equal(await head().getAttribute("aria-sort"), "descending");
  const down = await sizes();
  assert.deepEqual(down, [...down].sort((a, b) => b - a));
  assert.ok(down[0] > down.at(-1));
  await head().getByRole("link").click();
  assert.equal(await head().getAttribute("aria-sort"), "ascending");
  const up = await sizes();
  assert.deepEqual(up, [...up].sort((a, b) => a - b));
  // A search stays when the order changes.
  await page.fill("#q", "mnist");
  await page.click(".filter button");
  await page.locator("#sessions thead a", { hasText: "Checkpoints" }).click();
  assert.equal(await page.inputValue("#q"), "mnist");
  assert.equal(await page.locator("#sessions tbody tr").count(), 5);
});

test("the plan is filtered by rule, and the file it gives is one that `retain apply` takes", async () => {
  await page.goto(`${server.site}/plan`);
  const row = page.locator("#causes tbody tr", { hasText: "without metrics" });
  const many = await row.locator("td").nth(1).innerText();
  await row.getByRole("link").click();
  assert.match(await page.innerText(".pager p"), new RegExp(` of ${many}$`));
  assert.equal(await page.locator("#cause option:checked").innerText(), "without metrics: no rule keeps it");
  await page.selectOption("#cause", "");
  await page.fill("#q", "mnist/4");
  await page.click(".filter button");
  for (const name of await page.locator("#decisions tbody th").allInnerTexts()) assert.equal(name, SESSION);
  const plan = await take(() => page.click("#download"));
  const decisions = JSON.parse(plan).decisions.filter((d) => d.verdict === "delete");
  assert.ok(decisions.length > 200);
  const file = join(place.dir, "plan.json");
  writeFileSync(file, plan);
  const before = left(server.root).length;
  cli("-C", server.root, "apply", file, "--yes");
  assert.equal(left(server.root).length, before - decisions.filter((d) => d.session === SESSION).length);
});

test("the scratch sheet tells what would be newly deleted and kept, saves nothing, and gives the file", async () => {
  const file = join(place.dir, "demo/policy.toml"), saved = readFileSync(file, "utf8");
  await page.goto(`${server.site}/policy`);
  const text = "version = 1\nmin-age = \"0s\"\n[[policy]]\nname = \"one\"\nkeep = [{ last = 1 }, { every-steps = 2000 }]\n";
  await page.fill("#text", text);
  await page.click("#try");
  const lead = await page.innerText("#trial");
  assert.match(lead, /newly deleted \d+ checkpoints? \(.+\), newly kept \d+ checkpoints? \(.+\)/);
  const box = await page.locator("#trial").boundingBox();
  assert.ok(box.y >= 0 && box.y < page.viewportSize().height, "the answer is where one looks");
  const said = await page.locator("#changes tbody td:nth-child(4)").allInnerTexts();
  assert.deepEqual([...new Set(said)].sort(), ["newly deleted", "newly kept"]);
  assert.equal(await take(() => page.click("#download")), text);
  await page.fill("#text", saved);
  await page.click("#try");
  assert.match(await page.innerText("#trial"), /Nothing would change/);
  assert.equal(readFileSync(file, "utf8"), saved);
});

test("progress comes by itself: a job waits for another run, says so, and goes on when that ends", async () => {
  await page.goto(session(server));
  await page.check("input[name=id] >> nth=0");
  await page.click("#review");
  await page.fill("#confirm", "1");
  // Somebody else works on the root for a while.
  const other = spawn("flock", ["--no-fork", join(server.root, ".retain/lock"), "sh", "-c", "echo held; exec sleep 60"], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((held) => { other.stdout.once("data", held); });
  const before = left(server.root).length;
  await page.click("#go");
  await page.locator("#job-bar").waitFor();
  assert.match(await page.innerText("#job-text"), /\S/, "what it does is said");
  assert.equal(left(server.root).length, before);
  const address = page.url();
  other.kill();
  await page.locator("#undo").waitFor();
  assert.equal(page.url(), address, "the same page");
  assert.equal(left(server.root).length, before - 1);
});

test("a run is purged only by its number, and then it cannot come back", async () => {
  await page.goto(`${server.site}/trash`);
  await page.click("#runs tbody a");
  assert.match(await page.innerText("#purge"), /cannot be undone/);
  await page.fill("#confirm", "2");
  await page.click("#go");
  assert.match(await page.innerText("main"), /Nothing was deleted/);
  await page.goBack();
  await page.fill("#confirm", "3");
  await page.click("#go");
  await page.getByText("Purged 3 checkpoints").waitFor();
  await page.goto(`${server.site}/trash`);
  assert.match(await page.innerText("#lead"), /The trash is empty/);
  assert.equal(await page.locator("#runs tbody button").count(), 0);
  assert.ok(await page.locator("#runs tbody tr").count() >= 1, "the history remains");
});
