"use strict";
// The metric's curve: every checkpoint a mark whose colour and shape say how it stands, its reason
// told beside it under the pointer and by the arrow keys, to screen readers too.
(() => {
  const box = document.getElementById("curve");
  if (!box || typeof uPlot === "undefined") return;
  const told = document.getElementById("curve-point");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const draw = (data) => {
    const points = data.points;
    if (points.length === 0) return;
    const HEIGHT = 300, REACH = 40;
    const size = () => ({ width: box.clientWidth - 16, height: HEIGHT });
    let at = -1;
    // Marks at one place stand side by side, so that each can be seen and pointed at.
    const places = (u) => {
      const taken = new Map();
      return points.map((p) => {
        const x = u.valToPos(p.x, "x"), y = u.valToPos(p.y, "y");
        const key = `${Math.round(x / 8)},${Math.round(y / 8)}`;
        const n = taken.get(key) || 0;
        taken.set(key, n + 1);
        return [x + n * 11, y];
      });
    };
    const tell = (u, i) => {
      at = i;
      document.querySelectorAll("#checkpoints tr[data-id]").forEach((row) => {
        row.toggleAttribute("data-pointed", i >= 0 && row.dataset.id === points[i].id);
      });
      u.redraw(false);
      if (i < 0) { told.textContent = ""; return; }
      const p = points[i];
      told.textContent = `${p.id}: ${data.metric} ${p.y}, ${box.dataset[p.standing]}. ${p.reason}`;
      // Beside the mark, on the side where there is room, and never beyond the chart.
      const [x, y] = places(u)[i], over = u.over.getBoundingClientRect(), home = box.parentElement.getBoundingClientRect();
      const left = over.left - home.left + x, top = over.top - home.top + y;
      const clamp = (v, most) => Math.max(0, Math.min(v, most));
      const wide = told.offsetWidth, high = told.offsetHeight;
      const beside = left + 14 + wide <= home.width ? left + 14 : left - 14 - wide;
      told.style.left = `${clamp(beside, home.width - wide)}px`;
      told.style.top = `${clamp(top - high - 10 < 0 ? top + 14 : top - high - 10, HEIGHT)}px`;
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
      places(u).forEach(([x, y], i) => {
        const kind = points[i].standing;
        ctx.strokeStyle = ctx.fillStyle = colour(`--${kind}`);
        shape(ctx, kind, x * ratio + u.bbox.left, y * ratio + u.bbox.top, (i === at ? 7 : 4.5) * ratio);
      });
      ctx.restore();
    };
    // The mark nearest to the pointer, if one is near: several may have the same step.
    const nearest = (u) => {
      const { left, top } = u.cursor;
      if (left === undefined || left < 0) return -1;
      let best = -1, least = REACH;
      places(u).forEach(([x, y], i) => {
        const far = Math.hypot(x - left, y - top);
        if (far < least) { least = far; best = i; }
      });
      return best;
    };
    const number = new Intl.NumberFormat(box.dataset.lang);
    const axis = { stroke: () => colour("--soft"), grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif" };
    // Steps and epochs are whole: so are their marks, however few there are.
    const whole = [1, 2, 5].flatMap((n) => Array.from({ length: 13 }, (_, e) => n * 10 ** e)).sort((a, b) => a - b);
    const padded = (low, high) => {
      const room = (high - low || 1) * 0.04;
      return [low - room, high + room];
    };
    const options = {
      ...size(),
      scales: { x: { time: false, range: (u, low, high) => padded(low, high) }, y: { range: (u, low, high) => padded(low, high) } },
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
      axes: [
        { ...axis, label: data.axis, incrs: whole, labelSize: 22, size: 30, values: (u, list) => list.map((v) => number.format(v)) },
        { ...axis, label: data.metric, size: 60, labelSize: 22 },
      ],
      series: [{}, { stroke: () => colour("--soft"), width: 1, points: { show: false } }],
      hooks: {
        draw: [marks],
        setCursor: [(u) => { const i = nearest(u); if (i !== at && (i >= 0 || !box.matches(":focus"))) tell(u, i); }],
      },
    };
    const values = [points.map((p) => Number(p.x)), points.map((p) => Number(p.y))];
    const plot = new uPlot(options, values, box);
    plot.root.setAttribute("aria-hidden", "true");
    const step = (i) => tell(plot, Math.min(Math.max(i, 0), points.length - 1));
    box.addEventListener("keydown", (e) => {
      const moves = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: points.length - 1 };
      if (e.key in moves) { e.preventDefault(); step(moves[e.key]); }
      if (e.key === "Escape") tell(plot, -1);
    });
    box.addEventListener("focus", () => { if (at < 0 && box.matches(":focus-visible")) step(0); });
    box.addEventListener("blur", () => tell(plot, -1));
    new ResizeObserver(() => plot.setSize(size())).observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
    box.dataset.drawn = String(points.length);
    // For whoever drives the page: the chart, and where its marks are.
    box.chart = { plot, places: () => places(plot) };
  };

  fetch(box.dataset.url, { credentials: "same-origin" })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.status))))
    .then(draw)
    .catch((e) => { told.textContent = String(e.message || e); });
})();
