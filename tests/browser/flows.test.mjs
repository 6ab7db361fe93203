// What people do in the page: look, delete, undo; by mouse, by keyboard, without scripts.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { MANUAL_NOW, SESSION, cli, declare, left, nsml, open, scratch, serve, session, until, visitor } from "./support.mjs";

const IDS = ["0", "1", "2", "3", "4", "11", "21", "31", "41"];
const THEIRS = "otherteam/mnist/7";
const HOSTILE = 'nsmlteam/<img src=x onerror=alert(1)>/"><script>alert(2)<';

let browser;
before(async () => { browser = await open(); });
after(() => browser.close());

let place, root, server;
beforeEach(async () => {
  place = scratch();
  root = join(place.dir, "storage");
  mkdirSync(root);
  nsml(root, SESSION);
  nsml(root, THEIRS);
  declare(root);
});
afterEach(async () => {
  await server.stop();
  place.drop();
});

const start = async (...more) => { server = await serve(root, place.dir, ...more); };
const rows = (page) => page.locator("#checkpoints tbody tr").count();
/** What the page says is chosen: so many, and the sum of their sizes. */
const chosen = async (page, n) => {
  const text = await page.innerText("#chosen");
  const said = /^Chosen: (\d+), ([\d.]+ [KMG]?i?B)$/.exec(text);
  assert.equal(said?.[1], String(n), text);
  return said[2];
};
/** The scan after a change is done. */
const settled = (n) => until(async () => (await server.api("/roots")).roots[0].totals.checkpoints === n);

test("the manual's session stands in NSML's columns", async () => {
  await start("--now", MANUAL_NOW);
  const page = await visitor(browser, server);
  await page.goto(session(server));
  const heads = await page.locator("#checkpoints thead th").allInnerTexts();
  const columns = ["Checkpoint", "Last Modified", "Elapsed", "Summary", "Size"];
  assert.deepEqual(heads.map((h) => h.trim()).filter((h) => columns.includes(h)), columns);
  assert.deepEqual(await page.locator("#checkpoints tbody th").allInnerTexts(), IDS);
  const first = await page.locator("#checkpoints tbody tr").first().innerText();
  for (const cell of ["32 minutes ago", "3.785", "epoch=0, loss=7.0152...", "366.74 MB"]) {
    assert.ok(first.includes(cell), `${cell}: ${first}`);
  }
  // Every checkpoint is on the curve, and says why it stands as it does.
  await page.locator("#curve[data-drawn='9']").waitFor();
  await page.focus("#curve");
  await page.keyboard.press("End");
  assert.match(await page.innerText("#curve-point"), /^41: loss .+, .+\. .+/);
  assert.deepEqual(page.faults, []);
});

test("the printed link works once; nothing secret stays in the address", async () => {
  await start();
  const one = await (await browser.newContext()).newPage();
  await one.goto(server.link);
  assert.ok(!one.url().includes("once") && !(await one.innerText("body")).includes("Sign in"), one.url());
  const two = await (await browser.newContext()).newPage();
  await two.goto(server.link);
  assert.ok(await two.locator("#token").isVisible(), "somebody else is asked for a token");
});

test("delete 0, see eight rows, undo, see nine", async () => {
  await start("--allow-delete");
  const page = await visitor(browser, server);
  await page.goto(session(server));
  assert.equal(await rows(page), 9);
  await page.check("input[name=id][value='0']");
  const size = await chosen(page, 1);
  await page.click("#review");
  const lead = await page.innerText("#lead");
  assert.ok(lead.startsWith(`1 checkpoint would go to the trash and free ${size} `), lead);
  assert.deepEqual(left(root), IDS, "looking deletes nothing");
  await page.fill("#confirm", "1");
  await page.click("#go");
  await page.locator("#undo").waitFor();
  assert.match(await page.innerText("#job"), /Moved 1 checkpoint/);
  assert.deepEqual(left(root), IDS.slice(1));
  await settled(17);
  await page.goto(session(server));
  assert.equal(await rows(page), 8);
  await page.goto(`${server.site}/trash`);
  await page.click("#runs tbody button");
  await page.getByText("Restored 1 checkpoint").waitFor();
  await settled(18);
  await page.goto(session(server));
  assert.equal(await rows(page), 9);
  assert.deepEqual(left(root), IDS);
  assert.deepEqual(page.faults, []);
});

test("a range by shift and its sum; a wrong number deletes nothing", async () => {
  await start("--allow-delete");
  const page = await visitor(browser, server);
  await page.goto(session(server));
  await page.click("input[name=id][value='1']");
  await page.click("input[name=id][value='4']", { modifiers: ["Shift"] });
  const size = await chosen(page, 4);
  await page.click("#review");
  assert.match(await page.innerText("#lead"), new RegExp(`^4 checkpoints .* ${size} `));
  await page.fill("#confirm", "3");
  await page.click("#go");
  assert.match(await page.innerText("#flash"), /Nothing was deleted/);
  assert.deepEqual(left(root), IDS);
});

test("a stale plan is refused, and the new one is shown", async () => {
  await start("--allow-delete");
  const page = await visitor(browser, server);
  await page.goto(session(server));
  await page.check("input[name=id][value='0']");
  await page.check("input[name=id][value='1']");
  await page.click("#review");
  // Somebody pins one of them on the command line meanwhile.
  cli("-C", root, "pin", SESSION, "0");
  await page.fill("#confirm", "2");
  await page.click("#go");
  await page.locator("#again").waitFor();
  assert.match(await page.innerText("#job"), /Nothing was deleted/);
  assert.deepEqual(left(root), IDS);
  await page.click("#again");
  await page.locator("main").waitFor();
  assert.deepEqual(left(root), IDS, "looking again deletes nothing either");
  await page.goto(session(server));
  assert.match(await page.innerText("tr[data-id='0']"), /pinned/);
});

test("an owner sees their own sessions and no others", async () => {
  await start("--allow-delete", "--owner", "nsmlteam");
  const page = await visitor(browser, server, "nsmlteam");
  for (const path of ["", "/sessions", "/sessions?owner=otherteam", "/plan", "/trash"]) {
    await page.goto(server.site + path);
    assert.ok(!(await page.content()).includes("otherteam/mnist"), path);
  }
  await page.goto(session(server));
  assert.equal(await rows(page), 9);
  const answer = await page.goto(session(server, THEIRS));
  assert.equal(answer.status(), 404);
  assert.equal(await rows(page), 0);
});

test("several sessions at once: choose, see what goes, confirm, undo; a change in between is stale", async () => {
  await start("--allow-delete");
  const page = await visitor(browser, server);
  await page.goto(`${server.site}/sessions`);
  await page.check(`input[name=s][value='${SESSION}']`);
  await page.check(`input[name=s][value='${THEIRS}']`);
  assert.match(await page.innerText("#chosen"), /^Chosen: 2 sessions/);
  await page.fill("#pattern", "{0..1} 41");
  assert.ok(await page.isChecked("#take-names"), "who writes names means them");
  await page.click("#review");
  assert.match(await page.innerText("#lead"), /^6 checkpoints would go to the trash/);
  assert.deepEqual(await page.locator("#sums tbody th").allInnerTexts(), [SESSION, THEIRS]);
  assert.deepEqual([left(root), left(root, THEIRS)], [IDS, IDS], "looking deletes nothing");
  // Somebody deletes one of them meanwhile.
  cli("-C", root, "rm", THEIRS, "0", "--yes");
  await page.fill("#confirm", "6");
  await page.click("#go");
  await page.locator("#again, #flash").first().waitFor();
  assert.match(await page.innerText("main"), /Nothing was deleted/);
  assert.deepEqual([left(root), left(root, THEIRS)], [IDS, IDS.slice(1)]);
  await settled(17);
  await page.goto(`${server.site}/sessions?q=mnist`);
  await page.check("#every");
  await page.check("#take-all");
  await page.click("#review");
  await page.fill("#confirm", "17");
  await page.click("#go");
  await page.locator("#undo").waitFor();
  assert.deepEqual([left(root), left(root, THEIRS)], [[], []]);
  await page.click("#undo");
  await page.getByText("Restored 17 checkpoints").waitFor();
  assert.deepEqual([left(root), left(root, THEIRS)], [IDS, IDS.slice(1)]);
  assert.deepEqual(page.faults, []);
});

test("what the policy says of some sessions, and no more; nothing chosen is said", async () => {
  const policy = join(place.dir, "policy.toml");
  writeFileSync(policy, 'version = 1\nmin-age = "0s"\n[[policy]]\nname = "p"\nkeep = [{ last = 2 }]\n');
  await start("--allow-delete", "--policy", policy);
  const page = await visitor(browser, server, "administrator", { javaScriptEnabled: false });
  await page.goto(`${server.site}/sessions`);
  await page.click("#review");
  assert.match(await page.innerText("#flash"), /No session was chosen/);
  await page.check(`input[name=s][value='${SESSION}']`);
  await page.click("#review");
  const going = await page.locator("#goes tbody tr").count();
  assert.ok(going > 0 && going < IDS.length, `${going} by the policy`);
  await page.fill("#confirm", String(going));
  await page.click("#go");
  await page.locator("#undo").waitFor();
  assert.equal(left(root).length, IDS.length - going);
  assert.deepEqual(left(root, THEIRS), IDS);
});

test("a hostile name is text on every page", async () => {
  nsml(root, HOSTILE);
  await start("--allow-delete");
  const page = await visitor(browser, server);
  const safe = async (where) => {
    const bad = await page.locator("img, main script, [onerror]").count();
    assert.equal(bad, 0, `${where} made an element of a name`);
    assert.ok((await page.innerText("main")).includes("<img src=x onerror=alert(1)>"), `${where} shows it`);
  };
  for (const path of ["/sessions", "/plan?verdict=protected"]) {
    await page.goto(server.site + path);
    await safe(path);
  }
  await page.goto(server.site);
  assert.equal(await page.locator("img").count(), 0);
  await page.goto(`${server.site}/sessions`);
  await page.getByRole("link", { name: "<img" }).click();
  await safe("session");
  await page.locator("#curve[data-drawn]").waitFor();
  await page.focus("#curve");
  await page.check("input[name=id][value='0']");
  await page.click("#review");
  await safe("choice");
  await page.fill("#confirm", "1");
  await page.click("#go");
  await page.locator("#undo").waitFor();
  await page.goto(`${server.site}/trash`);
  await page.click("#runs tbody a");
  await safe("run");
  assert.deepEqual(page.faults, []);
});

test("by keyboard alone: sign in, choose, review, confirm, undo", async () => {
  await start("--allow-delete");
  const context = await browser.newContext({ locale: "en-GB" });
  const page = await context.newPage();
  const press = (key) => page.keyboard.press(key);
  const focused = () => page.evaluate(() => {
    const e = document.activeElement;
    return { id: e.id, value: e.getAttribute("value"), href: e.getAttribute("href") };
  });
  /** Tab until there; whoever cannot see the focus could not use it either. */
  const tabTo = async (there) => {
    for (let i = 0; i < 80; i += 1) {
      await press("Tab");
      const at = await focused();
      if (there(at)) {
        const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
        assert.notEqual(outline, "none", `the focus on ${JSON.stringify(at)} can be seen`);
        return;
      }
    }
    assert.fail(`no way by Tab to ${there}`);
  };
  await page.goto(`${server.base}/login`);
  await tabTo((e) => e.id === "token");
  await page.keyboard.type(server.secrets.administrator);
  await press("Enter");
  await page.locator("#nav-sessions").waitFor();
  await press("Tab");
  assert.equal((await focused()).href, "#main", "the first stop skips the navigation");
  await tabTo((e) => e.id === "nav-sessions");
  await press("Enter");
  await page.locator("#sessions").waitFor();
  await tabTo((e) => e.href?.includes("session?name=nsmlteam"));
  await press("Enter");
  await page.locator("#checkpoints").waitFor();
  await tabTo((e) => e.value === "0");
  await press("Space");
  await tabTo((e) => e.id === "review");
  await press("Enter");
  await page.locator("#confirm").waitFor();
  await tabTo((e) => e.id === "confirm");
  await page.keyboard.type("1");
  await press("Enter");
  await page.locator("#undo").waitFor();
  assert.deepEqual(left(root), IDS.slice(1));
  await tabTo((e) => e.id === "undo");
  await press("Space");
  await page.getByText("Restored 1 checkpoint").waitFor();
  assert.deepEqual(left(root), IDS);
});

test("without JavaScript everything can be read, deleted and restored", async () => {
  await start("--allow-delete");
  const page = await visitor(browser, server, "administrator", { javaScriptEnabled: false });
  for (const path of ["", "/sessions", "/plan", "/trash", "/policy"]) {
    await page.goto(server.site + path);
    assert.ok((await page.innerText("main")).length > 40, path);
  }
  await page.goto(session(server));
  assert.equal(await rows(page), 9);
  await page.fill("#pattern", "{0..1} 41");
  await page.click("#review");
  assert.equal(await page.locator("#goes tbody tr").count(), 3);
  await page.fill("#confirm", "3");
  await page.click("#go");
  await page.locator("#undo").waitFor();
  assert.deepEqual(left(root), IDS.slice(2, -1));
  await page.click("#undo");
  await page.getByText("Restored 3 checkpoints").waitFor();
  assert.deepEqual(left(root), IDS);
});

test("Korean and English, by the browser's wish and by the switch", async () => {
  await start();
  const page = await visitor(browser, server, "administrator", { locale: "ko-KR" });
  const title = () => page.innerText("h1");
  await page.goto(`${server.site}/policy`);
  assert.equal(await page.getAttribute("html", "lang"), "ko");
  assert.match(await title(), /정책/);
  await page.click("#language");
  assert.equal(await page.getAttribute("html", "lang"), "en");
  assert.equal(await title(), "Policy");
  assert.ok(page.url().endsWith("/policy"), "the same page");
  await page.goto(`${server.site}/plan`);
  assert.equal(await page.getAttribute("html", "lang"), "en", "it stays");
  await page.click("#language");
  assert.equal(await title(), "계획");
  // Reasons too, in the table and on the curve.
  await page.goto(session(server));
  const korean = /[가-힣]/;
  for (const cell of await page.locator("#checkpoints tbody td:nth-child(8)").allInnerTexts()) {
    assert.match(cell, korean);
  }
  await page.locator("#curve[data-drawn]").waitFor();
  await page.focus("#curve");
  await page.keyboard.press("End");
  assert.match((await page.innerText("#curve-point")).split(". ").pop(), korean);
});

test("a scan that somebody asked for is told on a page that is open", async () => {
  await start();
  const page = await visitor(browser, server);
  await page.goto(`${server.site}/sessions`);
  nsml(root, "nsmlteam/mnist/5");
  const token = { headers: { authorization: `Bearer ${server.secrets.administrator}`, "content-type": "application/json" } };
  const slug = server.site.split("/r/")[1];
  await fetch(`${server.base}/api/v1/roots/${slug}/scan`, { method: "POST", body: "{}", ...token });
  await page.click("#reload");
  await page.getByRole("link", { name: "nsmlteam/mnist/5" }).waitFor();
  assert.deepEqual(page.faults, []);
});
