// Follows a page: replaces the parts that changed and adds new events. Pages are complete without it.
"use strict";
(() => {
  const MOST_ROWS = 500;
  const RETRY_MS = 30000;
  const address = document.body.dataset.live;
  const state = document.getElementById("live");
  if (!address || !window.EventSource) return;
  let stream = null;

  const say = (text, kind) => {
    state.hidden = false;
    state.textContent = text;
    state.className = kind;
  };

  const handlers = {
    part({ id, html }) {
      const part = document.getElementById(id);
      const fresh = document.createElement("template");
      fresh.innerHTML = html;
      // Who goes through its links by keyboard keeps his place, and who points at something that stays, too.
      const same = part && part.innerHTML.trim() === fresh.innerHTML.trim();
      if (part && !same && !part.querySelector(":focus-visible")) part.replaceChildren(fresh.content);
      say("live", "on");
    },
    rows({ from, on_top: onTop, html }) {
      const table = document.getElementById("events");
      // A task that nobody received is taken back: its event vanishes, and another may have its id.
      for (const row of [...table.children]) if (Number(row.dataset.event) >= from) row.remove();
      table.insertAdjacentHTML(onTop ? "afterbegin" : "beforeend", html);
      while (table.children.length > MOST_ROWS) (onTop ? table.lastElementChild : table.firstElementChild).remove();
    },
    missed() {
      document.getElementById("missed").hidden = false;
    },
    trouble({ text }) {
      say(text, "off");
    },
    end() {
      close();
      say("no longer live", "off");
    },
  };

  const open = () => {
    if (stream) return;
    stream = new EventSource(address);
    for (const [name, handle] of Object.entries(handlers)) {
      stream.addEventListener(name, (event) => handle(JSON.parse(event.data)));
    }
    stream.onopen = () => say("live", "on");
    stream.onerror = () => {
      say("not live", "off");
      if (stream && stream.readyState === EventSource.CLOSED) {
        close();
        setTimeout(() => document.hidden || open(), RETRY_MS);
      }
    };
  };

  const close = () => {
    if (stream) stream.close();
    stream = null;
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  if (!document.hidden) open();
})();
