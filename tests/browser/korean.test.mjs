// Korean pages are Korean: no sentence of ours is left in English, on any page, with every kind of fault.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { SESSION, cli, declare, demo, nsml, open, scratch, serve, session, visitor } from "./support.mjs";

let browser;
before(async () => { browser = await open(); });
after(() => browser.close());

/** What people wrote: names of the demo's policies, and why one pinned something. */
const THEIRS = ["with a loss", "with a score", "without metrics", "team storage", "figure 3 of the paper"];

/** Runs of English words among what can be read or is read out, outside of names, code and files' text. */
async function english(page) {
  const texts = await page.evaluate(() => {
    const ours = (e) => !e.closest("bdi, code, pre, textarea, script, style, noscript, svg.tree text, [lang=en], .uplot");
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) if (ours(walker.currentNode.parentElement)) found.push(walker.currentNode.data);
    for (const e of document.querySelectorAll("[aria-label], [title], [placeholder], [data-some], [data-none], [data-working]")) {
      if (!ours(e)) continue;
      found.push(...["aria-label", "title", "placeholder"].map((a) => e.getAttribute(a) ?? ""), ...Object.values(e.dataset));
    }
    return [document.title, ...found];
  });
  const bare = (text) => THEIRS.reduce((t, name) => t.replaceAll(name, ""), text)
    .replaceAll(/`[^`]*`|"[^"]*"/g, "")
    // The system's own words for an error, and what is a path or a name.
    .replaceAll(/[A-Z][a-z ]+ \(os error \d+\)/g, "")
    .replaceAll(/\S*[/_=]\S*/g, "");
  return texts.filter((text) => /[A-Za-z]{2,}(?:,? [A-Za-z]{2,}){2,}/.test(bare(text)));
}

/** Pages that somebody sees who goes everywhere. */
async function everywhere(page, server) {
  const found = [];
  const look = async (where) => {
    assert.equal(await page.getAttribute("html", "lang"), "ko", where);
    found.push(...(await english(page)).map((text) => `${where}: ${text.trim()}`));
  };
  for (const path of ["", "/sessions", "/sessions?q=nothing-is-called-so", "/plan", "/plan?verdict=keep",
    "/plan?verdict=protected", "/plan?verdict=untouched", "/trash", "/policy", "/nothing-here", "/session?name=none"]) {
    await page.goto(server.site + path);
    for (const summary of await page.locator("summary").all()) await summary.click();
    await look(path);
  }
  return { found, look };
}

test("no English is left on the Korean pages of a demo, of what was deleted there, and of trials", async () => {
  const place = scratch();
  const root = demo(join(place.dir, "demo"));
  const server = await serve(root, place.dir, "--allow-delete", "--policy", join(place.dir, "demo/policy.toml"));
  try {
    const page = await visitor(browser, server, "administrator", { locale: "ko-KR" });
    const { found, look } = await everywhere(page, server);
    await page.goto(`${server.site}/trash`);
    await page.click("#runs tbody a");
    // The reasons that the command line wrote down in English.
    assert.ok(await page.locator("#items td.reason").count() > 100);
    await look("run");
    await page.goto(session(server, "nsmlteam/mnist/3"));
    await page.locator("#curve[data-drawn]").waitFor();
    await page.focus("#curve");
    await page.keyboard.press("End");
    await look("session");
    await page.fill("#pattern", "no-such*");
    await page.click("#review");
    await look("nothing found");
    await page.fill("#pattern", "*");
    await page.click("#review");
    await look("choice");
    await page.fill("#confirm", "1");
    await page.click("#go");
    await look("a wrong number");
    await page.goto(`${server.site}/sessions`);
    await page.click("#review");
    await look("nothing chosen");
    await page.check("#every");
    await page.check("#take-all");
    await page.click("#review");
    await look("several");
    const trials = [
      "version = 1\n[[policy]]\nname = \"a\"\nkeep = [{ lsat = 3 }, { best = 2 }, { every = \"1mo\" }, { last = 0 }]\nmatch = {}\n",
      "version = 1\nmin-keep = 0\nbrake = 3\n[[quota]]\nname = \"q\"\n[[policy]]\nlimit = {}\ndiscard = [{ last = 2 }]\n",
      "version = 9\n[[policy]]\nkeep = [{ last = 3 }, { last = 3 }]\n[[policy]]\nkeep = [{ within = \"5\" }]\n",
      "version = 1\n[[policy]]\nname = \"all\"\nkeep = [{ all = true }]\n[[policy]]\nname = \"b\"\n",
      "version = 1\nmin-age = \"0s\"\n[[policy]]\nname = \"one\"\nkeep = [{ last = 1 }]\n",
      "not toml at all",
    ];
    for (const text of trials) {
      await page.goto(`${server.site}/policy`);
      await page.fill("#text", text);
      await page.click("#try");
      await page.locator("#trial").waitFor();
      await look(`trial of ${text}`);
    }
    await page.context().clearCookies();
    await page.goto(`${server.base}/login`);
    await look("signing in");
    await page.fill("#token", "wrong");
    await page.click("button");
    await look("a wrong token");
    assert.deepEqual(found, []);
  } finally {
    await server.stop();
    place.drop();
  }
});

test("no English is left on the Korean pages of a broken storage and of an empty one", async () => {
  const place = scratch();
  const root = join(place.dir, "storage");
  mkdirSync(root);
  nsml(root, SESSION);
  nsml(root, "nsmlteam/mnist/5");
  nsml(root, "nsmlteam/mnist/6");
  declare(root);
  cli("-C", root, "rm", SESSION, "0", "--yes");
  writeFileSync(join(root, "nsmlteam/mnist/5/nsml_model/4/metadata.json"), "{");
  writeFileSync(join(root, "nsmlteam/mnist/6/session.json"), "[]");
  const policy = join(place.dir, "policy.toml");
  const empty = join(place.dir, "empty");
  mkdirSync(empty);
  try {
    for (const [text, where] of [
      ["version = 1\n[[protect]]\nname = \"x\"\nuntil = 2020-01-01\n[[policy]]\nkeep = [{ last = 2 }, { last = 3 }]\n", root],
      ["version = 1\n[[policy]]\nkeep = [{ lsat = 2 }]\n", root],
      ["version = 1\n[[policy]]\nkeep = [{ last = 1 }]\n", empty],
    ]) {
      writeFileSync(policy, text);
      const server = await serve(where, place.dir, "--policy", policy);
      try {
        const page = await visitor(browser, server, "administrator", { locale: "ko-KR" });
        const { found, look } = await everywhere(page, server);
        if (where === root) {
          await page.goto(session(server, "nsmlteam/mnist/5"));
          assert.ok(await page.locator(".flash").count() > 0, "it says what could not be read");
          await look("damaged");
          await page.goto(`${server.site}/trash`);
          await page.click("#runs tbody a");
          await look("run");
        }
        assert.deepEqual(found, []);
      } finally {
        await server.stop();
      }
    }
  } finally {
    place.drop();
  }
});
