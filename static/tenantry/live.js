// What htmx fetches again and again rests while nobody sees the page.
export function enhancePolling() {
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && event.detail.elt.matches("[data-while-seen]")) event.preventDefault();
  });
}
