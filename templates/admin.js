// Makes the console nicer. Every page works without it.
"use strict";

// Look for people while a name is typed: a form with data-live names the element that it fills with the same of the answer.
for (const form of document.querySelectorAll("form[data-live]")) {
  let waiting;
  let latest;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const url = new URL(form.action);
      url.search = new URLSearchParams(new FormData(form));
      latest?.abort();
      latest = new AbortController();
      try {
        const answer = await fetch(url, { signal: latest.signal, headers: { Accept: "text/html" }, redirect: "error" });
        if (!answer.ok) return;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const results = document.adoptNode(page.getElementById(form.dataset.live));
        document.getElementById(form.dataset.live).replaceWith(results);
        pickers(results);
        history.replaceState(null, "", url);
      } catch { /* another letter was typed, or the session is over: the button tells */ }
    }, 200);
  });
}

// What was copied is said on the button, too.
for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.textContent;
  button.addEventListener("click", () => {
    button.dataset.done = "";
    button.textContent = button.dataset.copied;
    setTimeout(() => { delete button.dataset.done; button.textContent = label; }, 2000);
  });
}

// One box ticks all of its table.
function pickers(within) {
  for (const box of within.querySelectorAll("input[data-all]")) {
    box.hidden = false;
    box.addEventListener("change", () => {
      for (const other of box.closest("table").querySelectorAll("tbody .pick input")) other.checked = box.checked;
    });
  }
}
pickers(document);

// What waits for something to happen looks again by itself, for ten minutes: others than the person at it make it happen.
const watched = document.querySelector("[data-watch]");
if (watched) {
  let seen;
  const look = async (left) => {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const now = document.getElementById(watched.id);
        const next = page.getElementById(watched.id);
        if (!answer.ok || !next) return;
        const text = next.textContent;
        if (seen !== text) now.replaceChildren(...document.adoptNode(next).childNodes);
        seen = text;
      } catch { return; } // the session is over: the button tells
    }
    if (left > 0) setTimeout(look, 3000, left - 1);
  };
  setTimeout(look, 3000, 200);
}
