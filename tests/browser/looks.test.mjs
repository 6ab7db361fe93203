// How it looks: nobody is kept out, nothing runs off a phone's screen; pictures of every page.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { PICTURES, barriers, demoServe, open, overflow, scratch, session, visitor } from "./support.mjs";

let browser, place, server;
before(async () => {
  mkdirSync(PICTURES, { recursive: true });
  place = scratch();
  [browser, server] = await Promise.all([open(), demoServe(join(place.dir, "demo"))]);
});
after(async () => {
  await browser.close();
  await server.stop();
  place.drop();
});

/** Every page and how to come there. */
const PAGES = {
  overview: async (p) => {
    await p.goto(server.site);
    await p.locator("#history[data-drawn], main .empty").first().waitFor();
  },
  sessions: (p) => p.goto(`${server.site}/sessions`),
  session: async (p) => {
    await p.goto(session(server));
    await p.locator("#curve[data-drawn]").waitFor();
  },
  choice: async (p) => {
    await p.goto(session(server));
    await p.check("input[name=id] >> nth=0");
    await p.click("#review");
    await p.locator("#confirm").waitFor();
  },
  several: async (p) => {
    await p.goto(`${server.site}/sessions?sort=freed`);
    await p.check("input[name=s] >> nth=0");
    await p.check("input[name=s] >> nth=1");
    await p.check("#take-all");
    await p.click("#review");
    await p.locator("#sums").waitFor();
  },
  plan: (p) => p.goto(`${server.site}/plan`),
  trash: (p) => p.goto(`${server.site}/trash`),
  run: async (p) => {
    await p.goto(`${server.site}/trash`);
    await p.click("#runs tbody a");
    await p.locator("#items").waitFor();
  },
  policy: (p) => p.goto(`${server.site}/policy`),
  trial: async (p) => {
    await p.goto(`${server.site}/policy`);
    await p.fill("#text", "version = 1\nmin-age = \"0s\"\n[[policy]]\nname = \"one\"\nkeep = [{ last = 1 }]\n");
    await p.click("#try");
    await p.locator("#trial").waitFor();
  },
  missing: (p) => p.goto(`${server.site}/nothing-here`),
};

const LOCALES = { english: "en-GB", korean: "ko-KR" };
for (const [language, locale] of Object.entries(LOCALES)) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [375, 1440]) {
      test(`every page at ${width} pixels, ${colorScheme}, ${language}`, async (t) => {
        const viewport = { width, height: width > 1000 ? 900 : 812 };
        const page = await visitor(browser, server, "administrator", { colorScheme, viewport, locale });
        for (const [name, go] of Object.entries(PAGES)) {
          await t.test(name, async () => {
            await page.setViewportSize(viewport);
            await go(page);
            assert.deepEqual(await overflow(page), [], "what runs off the screen");
            // The rules are about the document; both widths have the same but for what wraps.
            assert.deepEqual(await barriers(page), [], "what keeps somebody out");
            // As much of it as a picture can show, with what sticks to the bottom at the bottom.
            const high = await page.evaluate(() => document.documentElement.scrollHeight);
            await page.setViewportSize({ width, height: Math.min(Math.max(high, viewport.height), 2400) });
            await page.screenshot({ path: join(PICTURES, `${name}-${width}-${colorScheme}-${language}.png`) });
          });
        }
        await page.context().close();
      });
    }
  }
}

test("the page of signing in, in both colours", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ colorScheme, viewport: { width: 375, height: 812 } });
    const page = await context.newPage();
    await page.goto(`${server.base}/login`);
    await page.screenshot({ path: join(PICTURES, `login-375-${colorScheme}-english.png`) });
    assert.deepEqual(await barriers(page), []);
    assert.deepEqual(await overflow(page), []);
    // Style without a token: here, and where one is missing.
    for (const path of ["/login", "/", "/r/storage/sessions"]) {
      await page.goto(server.base + path);
      const [ground, width] = await page.evaluate(() => {
        const main = document.querySelector("main");
        return [getComputedStyle(main).borderStyle, main.getBoundingClientRect().width];
      });
      assert.ok(ground === "solid" && width <= 375, `${path} has its style: ${ground}`);
      assert.deepEqual(await barriers(page), [], path);
    }
    await context.close();
  }
});

test("names on the map can be read, or are not there", async () => {
  for (const width of [375, 800, 1440]) {
    const page = await visitor(browser, server, "administrator", { viewport: { width, height: 812 } });
    await page.goto(server.site);
    const labels = await page.evaluate(() => [...document.querySelectorAll(".tree text")]
      .filter((t) => t.getBoundingClientRect().width > 0)
      .map((t) => {
        const [at, box] = [t.getBoundingClientRect(), t.parentElement.getBoundingClientRect()];
        return { text: t.textContent, height: at.height, over: at.right - box.right };
      }));
    assert.ok(labels.length >= 3, `${width}: ${labels.length}`);
    for (const { text, height, over } of labels) {
      assert.ok(height >= 12 && over <= 1, `${width}: ${text} is ${height} high and ${over} too long`);
    }
    assert.equal(await page.locator("#biggest tbody tr").count(), 10);
    await page.context().close();
  }
});

test("nothing jumps while the page loads", async () => {
  const page = await visitor(browser, server);
  await page.addInitScript(() => {
    globalThis.shifted = 0;
    new PerformanceObserver((list) => {
      for (const e of list.getEntries()) globalThis.shifted += e.value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  for (const name of ["overview", "session", "plan"]) {
    await PAGES[name](page);
    await page.waitForLoadState("networkidle", { timeout: 3000 }).catch(() => {});
    const shifted = await page.evaluate(() => globalThis.shifted);
    assert.ok(shifted < 0.1, `${name} shifted by ${shifted}`);
  }
});
