"use strict";
// The metric's curve: every checkpoint a mark whose colour and shape say how it stands, its reason
// told under the pointer and, by the arrow keys, to a screen reader.
(() => {
  const box = document.getElementById("curve");
  if (!box || typeof uPlot === "undefined") return;
  const told = document.getElementById("curve-point");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const KINDS = ["keep", "protected", "delete", "untouched"];

  const draw = (data) => {
    const points = data.points;
    if (points.length === 0) return;
    let at = -1;
    const tell = (i) => {
      if (i === null || i === undefined || !points[i]) return;
      at = i;
      const p = points[i];
      told.textContent = `${p.id}: ${data.metric} ${p.y}, ${box.dataset[p.standing]}. ${p.reason}`;
      document.querySelectorAll("#checkpoints tr[data-id]").forEach((row) => {
        row.toggleAttribute("data-pointed", row.dataset.id === p.id);
      });
    };
    const shape = (ctx, kind, x, y, r) => {
      ctx.beginPath();
      if (kind === "delete") {
        ctx.moveTo(x - r, y - r); ctx.lineTo(x + r, y + r);
        ctx.moveTo(x + r, y - r); ctx.lineTo(x - r, y + r);
        ctx.stroke();
      } else if (kind === "protected") {
        ctx.fillRect(x - r, y - r, 2 * r, 2 * r);
      } else {
        ctx.arc(x, y, r, 0, 2 * Math.PI);
        if (kind === "untouched") ctx.stroke(); else ctx.fill();
      }
    };
    const marks = (u) => {
      const ctx = u.ctx, ratio = devicePixelRatio || 1;
      ctx.save();
      ctx.lineWidth = 2 * ratio;
      points.forEach((p, i) => {
        const x = u.valToPos(p.x, "x", true), y = u.valToPos(p.y, "y", true);
        ctx.strokeStyle = ctx.fillStyle = colour(`--${p.standing}`);
        shape(ctx, p.standing, x, y, (i === at ? 7 : 4) * ratio);
      });
      ctx.restore();
    };
    const axis = { stroke: () => colour("--text"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { stroke: () => colour("--line") } };
    const options = {
      width: box.clientWidth, height: 300,
      scales: { x: { time: false } },
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { show: false } },
      axes: [{ ...axis, label: data.axis }, { ...axis, label: data.metric, size: 70 }],
      series: [{}, { stroke: () => colour("--soft"), width: 1, points: { show: false } }],
      hooks: {
        draw: [marks],
        setCursor: [(u) => { if (u.cursor.idx !== null && u.cursor.idx !== undefined && u.cursor.left >= 0 && u.cursor.idx !== at) { tell(u.cursor.idx); u.redraw(false); } }],
      },
    };
    const values = [points.map((p) => Number(p.x)), points.map((p) => Number(p.y))];
    const plot = new uPlot(options, values, box);
    plot.root.setAttribute("aria-hidden", "true");
    const step = (i) => { tell(Math.min(Math.max(i, 0), points.length - 1)); plot.redraw(false); };
    box.addEventListener("keydown", (e) => {
      const moves = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: points.length - 1 };
      if (e.key in moves) { e.preventDefault(); step(moves[e.key]); }
    });
    box.addEventListener("focus", () => { if (at < 0 && box.matches(":focus-visible")) step(0); });
    new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: 300 })).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
    box.dataset.drawn = String(points.length);
  };

  fetch(box.dataset.url, { credentials: "same-origin" })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.status))))
    .then(draw)
    .catch((e) => { told.textContent = String(e.message || e); });
})();
