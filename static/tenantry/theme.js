// The theme form changes the page at once and stores the choice in the background.
export function enhanceTheme() {
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("[data-theme-form]");
    const choice = event.submitter?.value;
    if (!form || !choice) return;
    event.preventDefault();
    document.documentElement.dataset.theme = choice;
    for (const button of form.querySelectorAll("button[name=theme]")) {
      if (button.value === choice) button.setAttribute("aria-pressed", "true");
      else button.removeAttribute("aria-pressed");
    }
    form.querySelector("details").open = false;
    form.querySelector("summary").focus();
    const body = new FormData(form);
    body.set("theme", choice);
    try {
      await fetch(form.action, { method: "POST", body, redirect: "manual" });
    } catch {
      // The page already looks as asked; the choice is only not remembered.
    }
  });
}
