// data-dialog-open="id" on a link or button opens that <dialog> in place of following the link.
export function enhanceDialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog-open]");
    const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    const dialog = opener && plain && document.getElementById(opener.dataset.dialogOpen);
    if (dialog) {
      event.preventDefault();
      dialog.showModal();
    } else if (event.target.matches("dialog.dialog")) {
      // The dialog's own box is filled by its children: a click on the element itself is on the backdrop.
      event.target.close();
    }
  });
  document.querySelector("dialog[data-dialog-show]")?.showModal();
}
