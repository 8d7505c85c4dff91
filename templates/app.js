// Makes the forms nicer. Every page works without it: what only the script can do is hidden until it runs.
"use strict";

// English dates are written as the server writes them, which is not what "en" alone means to browsers.
const english = document.documentElement.lang === "en";
const written = (at, day) => {
  const lang = english ? "en-GB" : document.documentElement.lang;
  if (day) return at.toLocaleDateString(lang, { dateStyle: "long" });
  if (!english) return at.toLocaleString(lang, { dateStyle: "long", timeStyle: "short" });
  return at.toLocaleDateString(lang, { dateStyle: "long" }) + ", " + at.toLocaleTimeString(lang, { timeStyle: "short" });
};

const all = (selector, from = document) => from.querySelectorAll(selector);
const one = (selector) => document.querySelector(selector);

// A mistake is the first thing to be read.
one("#problem")?.focus();

// Moments come in UTC, because the server does not know where the reader is.
for (const time of all("time[datetime]")) {
  const at = new Date(time.dateTime);
  if (!Number.isNaN(at.valueOf())) {
    time.textContent = written(at, "day" in time.dataset);
  }
}

// Show and hide a password; it is hidden again before it is sent, so that browsers do not keep it as plain text.
for (const box of all(".reveal")) {
  const input = box.querySelector("input");
  const button = document.createElement("button");
  const show = (visible) => {
    input.type = visible ? "text" : "password";
    button.textContent = visible ? box.dataset.hide : box.dataset.show;
    button.setAttribute("aria-pressed", String(visible));
  };
  button.type = "button";
  button.setAttribute("aria-controls", input.id);
  button.addEventListener("click", () => show(input.type === "password"));
  input.form.addEventListener("submit", () => show(false));
  box.append(button);
  show(false);
}

// A second click sends nothing. The button goes off after the form was collected, or its own value would be missing.
addEventListener("submit", (event) => {
  if (event.defaultPrevented) return; // a passkey is asked for first: the form is sent afterwards
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  setTimeout(() => event.submitter && (event.submitter.disabled = true));
});
// Back shows the page as it was left: put it in order.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of all("form[data-sent]")) {
    delete form.dataset.sent;
    all("button", form).forEach((button) => { button.disabled = false; });
  }
});

// What asks for a passkey is there only where the browser has them, and what stands in for it only where it has not.
for (const part of all("[data-if-passkeys]")) {
  part.hidden = (part.dataset.ifPasskeys === "yes") !== Boolean(window.PublicKeyCredential);
}

// What was done is said, on the screen and to screen readers.
const say = (text) => {
  const place = one("#said");
  if (!place) return;
  place.textContent = "";
  setTimeout(() => { place.textContent = text; }, 50);
};

// Confirm is off until the codes were copied, downloaded, printed, or the box is ticked.
const confirm = one("[data-needs]");
let kept = false;
const judge = () => { confirm.disabled = !kept && !one("#" + confirm.dataset.needs).checked; };
const keep = (element) => {
  if (!confirm || kept || !("saves" in element.dataset)) return;
  kept = true;
  const note = document.createElement("input");
  Object.assign(note, { type: "hidden", name: confirm.dataset.needs, value: "1" });
  confirm.form.append(note);
  one("#" + confirm.dataset.needs).required = false;
  judge();
};
if (confirm) {
  one("#" + confirm.dataset.needs).addEventListener("change", judge);
  addEventListener("pageshow", judge); // browsers fill forms in again after scripts have run
  judge();
}

// The clipboard asks for https or localhost; elsewhere a selected text field does it.
const copy = async (text) => {
  if (navigator.clipboard && isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch { /* refused: try the other way */ }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
};
for (const button of all("[data-copy], [data-copy-from]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const from = button.dataset.copyFrom;
    const text = from ? [...all(from + " li")].map((line) => line.textContent.trim()).join("\n") + "\n" : button.dataset.copy;
    if (!await copy(text)) return;
    say(button.dataset.copied);
    keep(button);
  });
}

for (const link of all("a[download]")) {
  link.addEventListener("click", () => { say(link.dataset.said); keep(link); });
}

// A closed "Reveal" prints nothing in some browsers.
for (const button of all("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    button.closest("details").open = true;
    keep(button);
    print();
  });
}

// Seconds to the next code, by the server's clock: it says how many are left, this page counts on from there.
for (const line of all("[data-countdown]")) {
  const period = 30000;
  const bar = line.parentElement.querySelector("progress");
  const next = performance.now() + Number(line.dataset.countdown) * 1000;
  const tick = () => {
    const left = Math.ceil((((next - performance.now()) % period) + period) % period / 1000) || period / 1000;
    line.textContent = line.dataset.text.replace("{s}", left);
    if (bar) bar.value = left;
  };
  if (bar) bar.hidden = false;
  tick();
  setInterval(tick, 1000);
}
