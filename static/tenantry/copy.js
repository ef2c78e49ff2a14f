// Copy buttons: data-copy holds the text, data-copy-from the id of the element that shows it.
const SHOWN_MILLISECONDS = 2000;

export function enhanceCopyButtons() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (button) copy(button);
  });
}

async function copy(button) {
  const source = button.dataset.copyFrom ? document.getElementById(button.dataset.copyFrom) : null;
  const text = source ? source.textContent : button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No permission, or a page without TLS: select the text, so that the keyboard's own copy works.
    select(source ?? button.previousElementSibling ?? button);
    announce("Press Ctrl+C or Cmd+C to copy.");
    return;
  }
  button.dataset.state = "copied";
  announce("Copied.");
  setTimeout(() => delete button.dataset.state, SHOWN_MILLISECONDS);
}

function select(element) {
  getSelection().selectAllChildren(element);
}

export function announce(words) {
  const region = document.getElementById("announcements");
  region.textContent = "";
  // A live region speaks when it changes, so the same words twice need a change between them.
  requestAnimationFrame(() => { region.textContent = words; });
}
