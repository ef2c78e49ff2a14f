// An htmx request that fails tells why in the live region, in the server's own words where it sent some.
const SHOWN_MILLISECONDS = 12000;

function show(words) {
  const toast = document.getElementById("toast").content.firstElementChild.cloneNode(true);
  toast.querySelector("[data-toast-text]").textContent = words;
  document.getElementById("toasts").append(toast);
  setTimeout(() => toast.remove(), SHOWN_MILLISECONDS);
}

function wordsOf(response) {
  if (!response.includes("data-problem")) return undefined;
  const problem = new DOMParser().parseFromString(response, "text/html").querySelector("[data-problem]");
  return problem?.textContent.replace(/\s+/g, " ").trim();
}

export function announceProblems() {
  document.addEventListener("htmx:responseError", (event) => {
    show(wordsOf(event.detail.xhr.responseText) ?? "That did not work. Load the page again and repeat it.");
  });
  document.addEventListener("htmx:sendError", () => show("The server cannot be reached. Check your connection and try again."));
  document.addEventListener("htmx:timeout", () => show("The server took too long. Try again in a moment."));
}
