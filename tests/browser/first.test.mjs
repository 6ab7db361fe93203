// The first time: somebody who knows nothing finds what eats the space, frees it, and takes it back.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { cli, demoServe, open, scratch } from "./support.mjs";

let browser;
before(async () => { browser = await open(); });
after(() => browser.close());

let place, server;
beforeEach(async () => {
  place = scratch();
  server = await demoServe(join(place.dir, "demo"));
});
afterEach(async () => {
  await server.stop();
  place.drop();
});

const visit = async (options = {}) => {
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  await page.goto(server.link);
  return page;
};
/** It is on the screen without scrolling. */
const inSight = async (locator) => {
  const box = await locator.boundingBox();
  const { width, height } = locator.page().viewportSize();
  assert.ok(box && box.y >= 0 && box.y + box.height <= height && box.x + box.width <= width,
    `${locator} is out of sight: ${JSON.stringify(box)}`);
  return locator;
};
/** Checkpoints on the disk. */
const checkpoints = () => JSON.parse(cli("-C", server.root, "ls", "--json")).sessions
  .reduce((sum, s) => sum + s.checkpoint_count, 0);

for (const [size, options] of [["a desk", {}], ["a phone", { viewport: { width: 375, height: 812 } }]]) {
  test(`with the mouse, on ${size}: what eats the space, what would go, free it, take it back`, async () => {
    const page = await visit(options);
    const used = await page.innerText("#used .figure");
    const freed = await page.innerText("#reclaim .figure");
    const before = checkpoints();
    // What eats the space: the map, and the biggest named with it, lead to a session.
    await page.locator("#biggest tbody a").first().click();
    await page.locator("#checkpoints").waitFor();
    await page.click("#nav-overview");
    await (await inSight(page.locator("#reclaim a"))).click();
    const lead = await page.innerText("#lead");
    const [, many] = /^([\d,]+) checkpoints would go to the trash and free/.exec(lead);
    assert.ok(lead.includes(freed), `${lead} says ${freed} as the overview did`);
    assert.ok(await page.locator("#decisions tbody tr").count() > 50, "each with its reason");
    if (size === "a desk") await inSight(page.locator("#confirm"));
    await page.fill("#confirm", many);
    await page.click("#go");
    await (await inSight(page.locator("#undo"))).waitFor({ timeout: 60_000 });
    assert.match(await page.innerText("#job"), new RegExp(`Moved ${many} checkpoints`));
    assert.equal(checkpoints(), before - Number(many));
    await page.click("#undo");
    await page.getByText(`Restored ${many} checkpoints`).waitFor({ timeout: 60_000 });
    assert.equal(checkpoints(), before);
    await page.locator("#nav-overview").click();
    // The page looks again by itself.
    await page.waitForFunction((used) => {
      document.getElementById("reload")?.click();
      return document.querySelector("#used .figure")?.textContent === used;
    }, used, { timeout: 60_000 });
  });
}

test("after everything was freed the overview says what else can be done, and the trash what can come back", async () => {
  const page = await visit();
  await page.click("#to-plan");
  const many = /^[\d,]+/.exec(await page.innerText("#lead"))[0];
  await page.fill("#confirm", many);
  await page.click("#go");
  await page.locator("#undo").waitFor({ timeout: 60_000 });
  await page.goto(server.site);
  await page.waitForFunction(() => {
    document.getElementById("reload")?.click();
    return document.getElementById("to-policy");
  }, undefined, { timeout: 60_000 });
  assert.doesNotMatch(await page.innerText("main"), /\b0 B\b|\b0 checkpoints\b/);
  await page.goto(`${server.site}/plan`);
  assert.match(await page.innerText(".empty"), /delete nothing now/);
  assert.doesNotMatch(await page.innerText("main"), /\b0 B\b|\b0 checkpoints\b/);
  await page.locator("#nav-trash").click();
  assert.equal(await page.locator("#runs tbody button").count(), 2, "both runs can be restored");
  assert.equal(await page.locator("#runs tbody tr").count(), 5, "and three of the past were purged");
});

test("with the keyboard alone: the same way there and back", async () => {
  const page = await visit();
  const press = (key) => page.keyboard.press(key);
  const tabTo = async (id, most = 60) => {
    for (let i = 0; i < most; i += 1) {
      await press("Tab");
      const at = await page.evaluate(() => [document.activeElement.id, getComputedStyle(document.activeElement).outlineStyle]);
      if (at[0] === id) {
        assert.notEqual(at[1], "none", `the focus on ${id} can be seen`);
        return;
      }
    }
    assert.fail(`no way by Tab to ${id}`);
  };
  await tabTo("to-plan", 15);
  await press("Enter");
  await page.locator("#confirm").waitFor();
  const many = /^[\d,]+/.exec(await page.innerText("#lead"))[0];
  await tabTo("confirm", 20);
  await page.keyboard.type(many);
  await press("Enter");
  await page.locator("#undo").waitFor({ timeout: 60_000 });
  await tabTo("undo", 15);
  await press("Space");
  await page.getByText(`Restored ${many} checkpoints`).waitFor({ timeout: 60_000 });
});

test("each mark of the curve has its colour, and tells its reason under the pointer and on focus", async () => {
  const page = await visit();
  await page.goto(`${server.site}/session?name=nsmlteam%2Fmnist%2F4`);
  const drawn = page.locator("#curve[data-drawn]");
  await drawn.waitFor();
  const rows = await page.evaluate(() => [...document.querySelectorAll("#checkpoints tbody tr")].map((r) => ({
    id: r.dataset.id, standing: r.dataset.standing,
    word: r.querySelector(".standing").textContent, reason: r.querySelector(".reason").textContent,
  })));
  const says = (text, row) => text.startsWith(`${row.id}: loss `) && text.includes(`, ${row.word}. `) && text.endsWith(row.reason);
  const marks = await page.evaluate(() => {
    const { plot, places } = document.getElementById("curve").chart;
    const over = plot.over.getBoundingClientRect(), ratio = devicePixelRatio;
    const colour = (name) => {
      const probe = document.createElement("i");
      probe.style.color = `var(--${name})`;
      document.body.append(probe);
      const rgb = getComputedStyle(probe).color.match(/\d+/g).map(Number);
      probe.remove();
      return rgb.join();
    };
    return places().map(([x, y]) => {
      const [px, py] = [x * ratio + plot.bbox.left, y * ratio + plot.bbox.top].map(Math.round);
      const seen = [...plot.ctx.getImageData(px, py, 1, 1).data].slice(0, 3).join();
      const name = ["keep", "protected", "delete"].find((n) => colour(n) === seen);
      return { x: over.left + x, y: over.top + y, name };
    });
  });
  assert.equal(marks.length, rows.length, "every checkpoint is on it");
  const told = new Set();
  for (const mark of marks) {
    await page.mouse.move(mark.x, mark.y);
    const text = await page.innerText("#curve-point");
    const row = rows.find((r) => says(text, r));
    assert.ok(row, `under the pointer: ${text}`);
    assert.equal(mark.name, row.standing, `${row.id} has the colour of what becomes of it`);
    assert.equal(await page.locator("tr[data-pointed]").getAttribute("data-id"), row.id);
    told.add(row.id);
  }
  assert.equal(told.size, rows.length, "each under a place of its own");
  assert.deepEqual([...new Set(marks.map((m) => m.name))].sort(), ["delete", "keep", "protected"]);
  await page.mouse.move(5, 5);
  assert.equal(await page.innerText("#curve-point"), "", "away from it nothing is told");
  // On focus, and by the arrow keys.
  await page.locator("#main").focus();
  for (let i = 0; i < 10 && (await page.evaluate(() => document.activeElement.id)) !== "curve"; i += 1) {
    await page.keyboard.press("Tab");
  }
  const heard = new Set();
  for (let i = 0; i < rows.length; i += 1) {
    const text = await page.innerText("#curve-point");
    const row = rows.find((r) => says(text, r));
    assert.ok(row, `on focus: ${text}`);
    heard.add(row.id);
    await page.keyboard.press("ArrowRight");
  }
  assert.equal(heard.size, rows.length);
  // It stands beside its mark, inside the screen.
  const box = await page.locator("#curve-point").boundingBox();
  assert.ok(box.x >= 0 && box.x + box.width <= 1440, JSON.stringify(box));
  const ticks = await page.evaluate(() => document.getElementById("curve").chart.plot.axes[0]._splits);
  assert.ok(ticks.length >= 2 && ticks.every(Number.isInteger), `epochs are whole: ${ticks}`);
});
