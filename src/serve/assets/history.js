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
    return `${value.toFixed(unit ? 1 : 0)} ${units[unit]}`;
  };
  const draw = (usage) => {
    const points = usage.timeline;
    if (points.length < 2) return;
    const grid = { stroke: () => colour("--text"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { stroke: () => colour("--line") } };
    const plot = new uPlot({
      width: box.clientWidth, height: 260,
      scales: { y: { range: (u, low, high) => [0, high * 1.1 || 1] } },
      legend: { show: false },
      cursor: { drag: { x: false, y: false } },
      axes: [grid, { ...grid, size: 80, values: (u, list) => list.map(size) }],
      series: [{}, { stroke: () => colour("--accent"), width: 2 }, { stroke: () => colour("--soft"), width: 2, dash: [6, 4] }],
    }, [
      points.map((p) => Date.parse(p.at) / 1000),
      points.map((p) => p.bytes),
      points.map((p) => p.trash_bytes),
    ], box);
    plot.root.setAttribute("aria-hidden", "true");
    new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: 260 })).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
    box.dataset.drawn = String(points.length);
  };
  fetch(box.dataset.url, { credentials: "same-origin" })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.status))))
    .then(draw)
    .catch(() => { box.hidden = true; });
})();
