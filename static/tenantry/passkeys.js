// A form with data-passkey asks the server for a challenge, the browser for a passkey, and then sends what it signed.
// data-passkey: "create" or "get"; data-challenge: the address of the challenge.
import { announce } from "./copy.js";

const FAILED = "This did not work: try again, or choose another way.";
const PROBLEMS = {
  NotAllowedError: "Nothing was chosen, or it took too long. Try again.",
  InvalidStateError: "This device has a passkey for your account already.",
  SecurityError: "Passkeys do not work under this address. Open Tenantry under the address that its operator gave it.",
};

function bytesOf(text) {
  const padded = text.replaceAll("-", "+").replaceAll("_", "/").padEnd(Math.ceil(text.length / 4) * 4, "=");
  return Uint8Array.from(atob(padded), (character) => character.charCodeAt(0));
}

function textOf(buffer) {
  const characters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(characters).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function withBytes(options) {
  const described = (descriptors) => descriptors?.map((each) => ({ ...each, id: bytesOf(each.id) }));
  return {
    ...options,
    challenge: bytesOf(options.challenge),
    ...(options.user && { user: { ...options.user, id: bytesOf(options.user.id) } }),
    ...(options.excludeCredentials && { excludeCredentials: described(options.excludeCredentials) }),
    ...(options.allowCredentials && { allowCredentials: described(options.allowCredentials) }),
  };
}

function asJSON(credential) {
  const { response } = credential;
  const parts = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const given = parts.filter((name) => response[name]).map((name) => [name, textOf(response[name])]);
  return JSON.stringify({
    id: credential.id,
    rawId: textOf(credential.rawId),
    type: credential.type,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: Object.fromEntries(given),
  });
}

async function optionsFor(form) {
  const answer = await fetch(form.dataset.challenge, {
    method: "POST",
    headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
  });
  if (!answer.ok || !answer.headers.get("Content-Type")?.startsWith("application/json")) {
    throw new Error("This page was open for too long: load it again.");
  }
  return withBytes((await answer.json()).publicKey);
}

async function use(form) {
  const publicKey = await optionsFor(form);
  const ask = form.dataset.passkey === "create" ? "create" : "get";
  return asJSON(await navigator.credentials[ask]({ publicKey }));
}

function say(form, words) {
  const place = form.querySelector("[data-passkey-problem]");
  place.textContent = words;
  place.hidden = !words;
  announce(words);
}

export function enhancePasskeys() {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.querySelector("[data-passkey-unscripted]").remove();
    if (!window.PublicKeyCredential) {
      say(form, "This browser knows no passkeys, or the page did not come by https://.");
      continue;
    }
    for (const button of form.querySelectorAll("button[disabled]")) button.disabled = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      // Before the device is asked, lest it keeps a passkey that the server has refused for want of a name.
      if (!form.reportValidity()) return;
      say(form, "");
      try {
        form.elements.credential.value = await use(form);
      } catch (problem) {
        say(form, PROBLEMS[problem.name] ?? (problem.name === "Error" ? problem.message : FAILED));
        return;
      }
      form.submit();
    });
  }
}
