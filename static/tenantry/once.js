// A form that makes a secret carries a token that works once. A second click would get the answer without the secret,
// so the button rests once the form is on its way.
function rest(form, resting) {
  for (const button of form.querySelectorAll("button:not([type=button])")) button.disabled = resting;
}

export function enhanceOnceForms() {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form:has(input[name=once])");
    if (form) rest(form, true);
  });
  // Back from the answer, out of the browser's cache.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form:has(input[name=once])")) rest(form, false);
  });
}
