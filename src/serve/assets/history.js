"use strict";
// Usage over time; the table below it says the same.
(() => {
  const box = document.getElementById("history");
  if (!box || typeof uPlot === "undefined") return;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const size = (bytes) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let value = bytes, unit = 0;
    while (value >= 1024 && unit + 1 < units.length) { value /= 1024; unit += 1; }
    return `${value.toFixed(unit && value % 1 ? 1 : 0)} ${units[unit]}`;
  };
  const draw = (usage) => {
    const points = usage.timeline;
    if (points.length < 2) return;
    const HEIGHT = 300;
    const lang = document.documentElement.lang;
    const bound = usage.quotas?.find((q) => q.owner === null && !q.min_free)?.allowed_bytes;
    const most = Math.max(...points.map((p) => p.bytes), ...points.map((p) => p.trash_bytes ?? 0), bound ?? 0);
    // Marks at round numbers of the unit that fits.
    let unit = 1;
    while (most / unit >= 1024) unit *= 1024;
    const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500].map((n) => n * unit).filter((n) => most / n <= 6);
    const every = steps[0] ?? unit * 500;
    const top = Math.max(Math.ceil(most * 1.05 / every) * every, every);
    const marks = Array.from({ length: Math.round(top / every) + 1 }, (_, i) => i * every);
    const month = new Intl.DateTimeFormat(lang, { month: "short" });
    const year = new Intl.DateTimeFormat(lang, { year: "numeric" });
    const day = new Intl.DateTimeFormat(lang, { month: "short", day: "numeric" });
    const full = new Intl.DateTimeFormat(lang, { dateStyle: "medium" });
    const DAY = 86400, long = Date.parse(points.at(-1).at) - Date.parse(points[0].at) > 100 * DAY * 1000;
    const when = (u, list) => list.map((s, i) => {
      const date = new Date(s * 1000);
      if (!long) return day.format(date);
      const before = i > 0 && new Date(list[i - 1] * 1000).getFullYear() === date.getFullYear();
      return before ? month.format(date) : `${month.format(date)}\n${year.format(date)}`;
    });
    const axis = { stroke: () => colour("--soft"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const told = document.createElement("p");
    told.className = "tip";
    told.setAttribute("aria-hidden", "true");
    box.parentElement.append(told);
    const tell = (u) => {
      const p = points[u.cursor.idx];
      if (!p || u.cursor.left === undefined || u.cursor.left < 0) { told.textContent = ""; return; }
      const trash = p.trash_bytes ? `, ${box.dataset.trash} ${size(p.trash_bytes)}` : "";
      told.textContent = `${full.format(new Date(p.at))}: ${size(p.bytes)}${trash}`;
      const over = u.over.getBoundingClientRect(), home = box.parentElement.getBoundingClientRect();
      const left = over.left - home.left + u.cursor.left;
      told.style.left = `${Math.max(0, Math.min(left + 12, home.width - told.offsetWidth))}px`;
      told.style.top = `${Math.max(0, over.top - home.top + 6)}px`;
    };
    const measure = () => ({ width: box.clientWidth - 16, height: HEIGHT });
    const gap = () => Math.max(50, box.clientWidth / 14);
    const line = { points: { show: false }, spanGaps: true };
    const area = () => { const c = colour("--accent"); return /^#[0-9a-f]{6}$/i.test(c) ? `${c}22` : c; };
    const series = [{},
      { ...line, stroke: () => colour("--accent"), width: 2, fill: area },
      { ...line, stroke: () => colour("--soft"), width: 2, dash: [6, 4] }];
    const values = [
      points.map((p) => Date.parse(p.at) / 1000),
      points.map((p) => p.bytes),
      points.map((p) => p.trash_bytes),
    ];
    if (bound) {
      series.push({ ...line, stroke: () => colour("--delete"), width: 2, dash: [2, 4] });
      values.push(points.map(() => bound));
    }
    const plot = new uPlot({
      ...measure(),
      scales: { y: { range: [0, top] } },
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 8 } },
      axes: [
        { ...axis, values: when, space: gap, size: 40, incrs: long ? [30 * DAY, 61 * DAY, 91 * DAY, 182 * DAY, 365 * DAY] : undefined },
        { ...axis, size: 76, splits: marks, values: (u, list) => list.map(size) },
      ],
      series,
      hooks: { setCursor: [tell] },
    }, values, box);
    plot.root.setAttribute("aria-hidden", "true");
    new ResizeObserver(() => plot.setSize(measure())).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
    box.dataset.drawn = String(points.length);
  };
  fetch(box.dataset.url, { credentials: "same-origin" })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.status))))
    .then(draw)
    .catch(() => { box.hidden = true; });
})();
