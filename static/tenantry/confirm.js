// <form data-confirm="words">: the button waits until the words are typed. The server checks them again.
function update(form) {
  const input = form.querySelector("input[type=text]");
  const button = form.querySelector("button[type=submit]");
  if (input && button) button.disabled = input.value.trim() !== form.dataset.confirm;
}

export function enhanceConfirmations() {
  for (const form of document.querySelectorAll('form[data-confirm]:not([data-confirm=""])')) update(form);
  document.addEventListener("htmx:load", (event) => {
    for (const form of event.target.querySelectorAll('form[data-confirm]:not([data-confirm=""])')) update(form);
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-confirm]");
    if (form?.dataset.confirm) update(form);
  });
}
