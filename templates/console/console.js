{#- The console's one script: keys, questions before what cannot be undone, clocks that move. Pages work without it. -#}
"use strict";
(() => {
  const keys = document.getElementById("keys");
  const on = document.getElementById("keys-on");
  const stored = () => { try { return localStorage.getItem("keys") !== "off"; } catch { return true; } };
  const store = (value) => { try { localStorage.setItem("keys", value ? "on" : "off"); } catch { /* a private window */ } };
  if (on) {
    on.checked = stored();
    on.addEventListener("change", () => store(on.checked));
  }

  const typing = (target) => target.closest("input, textarea, select, [contenteditable], dialog");
  const rows = () => [...document.querySelectorAll(".row")];
  let going = 0;

  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.classList.contains("at"));
    const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    all.forEach((row) => row.classList.toggle("at", row === next));
    const link = next.querySelector("a[href]");
    if (link) link.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.key === "?" && keys) {
      event.preventDefault();
      keys.showModal();
      return;
    }
    if (!stored()) return;
    if (Date.now() - going < 1500) {
      going = 0;
      const door = document.querySelector(`.rooms [data-key="${CSS.escape(event.key)}"]`);
      if (door) { event.preventDefault(); door.click(); }
      return;
    }
    if (event.key === "g") going = Date.now();
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    }
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
      event.preventDefault();
      return;
    }
    if (form.method !== "post") return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  // Whoever comes back by the browser's button may send the form again.
  window.addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => delete form.dataset.sent));

  document.querySelectorAll("[data-select]").forEach((field) => field.addEventListener("focus", () => field.select()));

  // On a phone the rooms are a strip: show the one that this is.
  const room = document.querySelector(".rooms [aria-current]");
  if (room) room.scrollIntoView({ block: "nearest", inline: "center" });

  const began = Date.now();
  const words = (seconds) => {
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} min`;
    return minutes < 2880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
  };
  const tick = () => document.querySelectorAll("time.clock").forEach((clock) => {
    const now = Date.parse(clock.dataset.now) + Date.now() - began;
    const left = (Date.parse(clock.dateTime) - now) / 1000;
    clock.textContent = left < 0 ? `${words(-left)} late` : `in ${words(left)}`;
    clock.classList.toggle("late", left < 0);
    clock.classList.toggle("soon", left >= 0 && left < 7200);
  });
  setInterval(tick, 30000);
})();
