// Passkeys on a page: it asks the browser for one and puts the answer into a form, which is then sent like any other.
//
//   <form method="post" data-passkey="get" data-options="URL"
//         data-cancelled="…" data-failed="…" [data-known="…"] [data-throttled="…{wait}…"] [data-conditional]>
//     <input type="hidden" name="ceremony"> <input type="hidden" name="response">
//     <button hidden>…</button> <p role="status" data-passkey-said></p>
//   </form>
//
// data-passkey="create" makes a passkey. The data-… texts are what is said when nothing comes of it. With
// data-conditional the browser offers passkeys in the input whose autocomplete ends in "webauthn", from the start.
(() => {
  "use strict";

  const fresh = 4 * 60 * 1000; // options are good for five minutes

  // There are no options: they are asked for too often, something else has to come first, or the server is at fault.
  class Refused extends Error {
    constructor(status, wait) {
      super(`options: ${status}`);
      this.status = status;
      this.wait = wait; // in words
    }
  }

  const fetchOptions = async (form) => {
    const answer = await fetch(form.dataset.options, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)), // its token goes along
      redirect: "manual",
      credentials: "same-origin",
    });
    const isJSON = answer.headers.get("Content-Type")?.startsWith("application/json");
    const json = isJSON ? await answer.json() : undefined;
    if (!answer.ok || !json) throw new Refused(answer.status, json?.words);
    return json;
  };

  // Binary values travel as base64url; older browsers don't translate them.
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const ids = (list) => list?.map((known) => ({ ...known, id: bytes(known.id) }));

  const parseOptions = (kind, options) => {
    if (kind === "create") {
      return PublicKeyCredential.parseCreationOptionsFromJSON?.(options) ?? {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: ids(options.excludeCredentials),
      };
    }
    return PublicKeyCredential.parseRequestOptionsFromJSON?.(options) ?? {
      ...options,
      challenge: bytes(options.challenge),
      allowCredentials: ids(options.allowCredentials),
    };
  };

  const toJSON = (credential) => {
    try {
      return credential.toJSON();
    } catch { // not there, or a password manager's that throws
      const response = {};
      for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
        if (credential.response[name]) response[name] = text(credential.response[name]);
      }
      if (credential.response.getTransports) response.transports = credential.response.getTransports();
      return {
        id: credential.id,
        rawId: text(credential.rawId),
        type: credential.type,
        clientExtensionResults: credential.getClientExtensionResults(),
        response,
      };
    }
  };

  const say = (form, sentence = "") => {
    const place = form.querySelector("[data-passkey-said]");
    if (place) place.textContent = sentence;
  };

  // Opens the page anew by GET, also after a POST: it says what is wrong, or leads to where that is mended.
  const startOver = () => location.replace(location.pathname + location.search);

  const explain = (form, error) => {
    const said = form.dataset;
    if (error instanceof Refused) {
      // 0 is a redirect, to a proof for one. A page that only the server's fault has led to keeps what was typed.
      if ([0, 403, 422].includes(error.status)) return startOver();
      if (error.status !== 429 || !error.wait) return say(form, said.failed);
      return say(form, (said.throttled ?? said.failed).replace("{wait}", error.wait));
    }
    switch (error.name) {
      case "NotAllowedError": // also when the time is over: browsers don't tell
      case "AbortError":
        return say(form, said.cancelled);
      case "InvalidStateError": // this device has a passkey of the person's
        return say(form, said.known ?? said.failed);
    }
    return say(form, said.failed);
  };

  // Runs one ceremony and sends the form. More is what navigator.credentials takes besides the options.
  const perform = async (form, more = {}) => {
    const kind = form.dataset.passkey;
    const { ceremony, options } = await fetchOptions(form);
    more.signal?.throwIfAborted();
    const credential = await navigator.credentials[kind]({ publicKey: parseOptions(kind, options), ...more });
    form.elements.ceremony.value = ceremony;
    form.elements.response.value = JSON.stringify(toJSON(credential));
    form.submit(); // without another submit event
  };

  // The browser's offer in the input of the user name. It ends by stop(), which a dialogue has to wait for.
  const offer = (form) => {
    const abort = new AbortController();
    let again;
    const run = async () => {
      const round = new AbortController();
      const end = () => round.abort();
      abort.signal.addEventListener("abort", end);
      const timer = setTimeout(() => { again = true; end(); }, fresh);
      try {
        await perform(form, { mediation: "conditional", signal: round.signal });
      } catch { // nobody asked for it: nothing to say
      }
      clearTimeout(timer);
      abort.signal.removeEventListener("abort", end);
    };
    // A page that stays open gets new options in time, but not while nobody sees it.
    const seen = () => document.hidden && new Promise((resolve) => {
      document.addEventListener("visibilitychange", resolve, { once: true });
      abort.signal.addEventListener("abort", resolve, { once: true });
    });
    const done = (async () => {
      do {
        again = false;
        await seen();
        if (!abort.signal.aborted) await run();
      } while (again && !abort.signal.aborted);
    })();
    return { stop: () => { abort.abort(); return done; } };
  };

  const prepare = async (form) => {
    for (const button of form.querySelectorAll("button[hidden]")) button.hidden = false;
    let offered;
    let busy = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (busy) return;
      busy = true;
      say(form);
      try {
        await offered?.stop();
        await perform(form);
      } catch (error) {
        busy = false;
        explain(form, error);
        if (offered) offered = offer(form);
      }
    });
    addEventListener("pageshow", (event) => { if (event.persisted) busy = false; }); // by Back
    if ("conditional" in form.dataset && await PublicKeyCredential.isConditionalMediationAvailable?.() && !busy) {
      offered = offer(form);
    }
  };

  if (window.PublicKeyCredential) document.querySelectorAll("form[data-passkey]").forEach(prepare);
})();
