// Solves the sign-up form's small sum (ALTCHA) while the visitor reads. The form
// works without it; nothing is stored, and nobody but this server is asked.
"use strict";
(() => {
  const form = document.querySelector("form.ask[action$='/subscribe']");
  if (!form || !globalThis.crypto?.subtle) return;
  const place = new URL("challenge", form.action);
  let solving = null;

  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

  const AT_ONCE = 500;

  async function solve() {
    const answer = await fetch(place, { credentials: "omit", cache: "no-store" });
    const { algorithm, challenge, salt, signature, maxnumber } = await answer.json();
    const encoder = new TextEncoder();
    const hash = (number) => crypto.subtle.digest(algorithm, encoder.encode(salt + number));
    for (let first = 0; first <= maxnumber; first += AT_ONCE) {
      const hashes = await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => hash(first + n)));
      const found = hashes.findIndex((digest) => hex(new Uint8Array(digest)) === challenge);
      if (found >= 0) {
        return btoa(JSON.stringify({ algorithm, challenge, number: first + found, salt, signature }));
      }
    }
    return "";
  }

  const begin = () => (solving ??= solve().catch(() => ""));
  form.addEventListener("focusin", begin, { once: true });
  form.addEventListener("submit", async (event) => {
    if (form.elements.namedItem("altcha")) return;
    event.preventDefault();
    const button = form.querySelector("button");
    button.setAttribute("aria-busy", "true");
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "altcha";
    // Whoever waited three seconds has waited enough: the form goes without it.
    field.value = await Promise.race([begin(), new Promise((done) => setTimeout(done, 3000, ""))]);
    form.append(field);
    // Not from within the event: a form that is being submitted takes no second call.
    setTimeout(() => form.requestSubmit());
  });
  addEventListener("pageshow", () => {
    // Back from the answer: what was used is not used again.
    form.elements.namedItem("altcha")?.remove();
    form.querySelector("button").removeAttribute("aria-busy");
    solving = null;
  });
})();
