"use strict";
// What HTML cannot do: sums of what is chosen, a box for all rows, and progress as it happens.
// Every page works without this file.
(() => {
  const $ = (id) => document.getElementById(id);
  const fill = (text, ...with_) => text.replace(/\{\}/g, () => with_.shift() ?? "");
  const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
  const size = (bytes) => {
    if (bytes < 1024) return `${bytes} B`;
    const units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let value = bytes / 1024, unit = 0;
    while (value >= 1023.995 && unit + 1 < units.length) { value /= 1024; unit += 1; }
    return `${value.toFixed(2)} ${units[unit]}`;
  };

  const form = $("choose");
  if (form) {
    const boxes = [...form.querySelectorAll(`input[name="${form.dataset.boxes || "id"}"]`)];
    const all = $("all"), told = $("chosen"), every = $("every");
    let last = null;
    const take = () => form.querySelector('input[name="take"]:checked')?.value;
    // Of several sessions: how many, and what goes of them where that can be known here.
    const sessions = (on) => {
      const n = fill(on.length === 1 ? told.dataset.one : told.dataset.many, grouped(on.length));
      const of = { policy: "freed", all: "bytes" }[take()];
      if (!of) return fill(told.dataset.count, n);
      return fill(told.dataset.some, n, size(on.reduce((sum, b) => sum + Number(b.dataset[of]), 0)));
    };
    const tell = () => {
      const on = boxes.filter((b) => b.checked);
      all.checked = on.length > 0 && on.length === boxes.length;
      all.indeterminate = on.length > 0 && on.length < boxes.length;
      if (every?.checked) {
        told.textContent = fill(told.dataset.count, document.querySelector('label[for="every"]').textContent);
      } else if (on.length === 0) {
        told.textContent = told.dataset.none;
      } else if (take()) {
        told.textContent = sessions(on);
      } else {
        const bytes = on.reduce((sum, b) => sum + Number(b.dataset.bytes), 0);
        told.textContent = fill(told.dataset.some, grouped(on.length), size(bytes));
      }
    };
    form.querySelectorAll('input[name="take"], #every').forEach((e) => e.addEventListener("change", tell));
    // Who writes names means them.
    if ($("take-names")) $("pattern").addEventListener("input", () => { $("take-names").checked = true; tell(); });
    all.hidden = boxes.length === 0;
    all.addEventListener("change", () => {
      boxes.forEach((b) => { b.checked = all.checked; });
      tell();
    });
    // Shift chooses a range, with the mouse and with the space bar.
    let shift = false;
    form.addEventListener("keydown", (e) => { shift = e.shiftKey; });
    form.addEventListener("pointerdown", (e) => { shift = e.shiftKey; });
    boxes.forEach((box, i) => box.addEventListener("click", (e) => {
      if ((e.shiftKey || shift) && last !== null) {
        const [from, to] = i < last ? [i, last] : [last, i];
        for (let k = from; k <= to; k += 1) boxes[k].checked = box.checked;
      }
      last = i;
      tell();
    }));
    tell();
  }

  // A form is sent once.
  document.querySelectorAll('form[method="post"]').forEach((f) => f.addEventListener("submit", (e) => {
    // A file is handed out, and the page stays.
    if (e.submitter?.value === "download") return;
    if (f.dataset.sent) e.preventDefault();
    f.dataset.sent = "1";
    setTimeout(() => { delete f.dataset.sent; }, 3000);
  }));

  const job = $("job");
  if (job && job.dataset.events) {
    const source = new EventSource(job.dataset.events);
    source.onmessage = (e) => {
      const p = JSON.parse(e.data);
      if (["done", "stale", "failed"].includes(p.phase)) {
        source.close();
        location.reload();
        return;
      }
      if (p.phase === "looking") $("job-text").textContent = job.dataset.looking;
      if (p.phase === "working") {
        $("job-text").textContent = fill(job.dataset.working, grouped(p.done), grouped(p.total));
        $("job-bar").max = Math.max(p.total, 1);
        $("job-bar").value = p.done;
      }
    };
  }

  const bar = $("root-bar");
  if (bar && !(job && job.dataset.events)) {
    const state = $("scan-state");
    const source = new EventSource(bar.dataset.events);
    source.onmessage = (e) => {
      const s = JSON.parse(e.data);
      if (s.running) {
        state.textContent = fill(bar.dataset.running, grouped(s.sessions));
      } else if (String(s.generation) !== bar.dataset.generation) {
        // What somebody is reading or filling in is not taken away from under them.
        source.close();
        const link = document.createElement("a");
        link.href = location.href;
        link.id = "reload";
        link.textContent = bar.dataset.stale;
        state.replaceChildren(link);
      } else {
        state.textContent = "";
      }
    };
    addEventListener("pagehide", () => source.close());
  }
})();
