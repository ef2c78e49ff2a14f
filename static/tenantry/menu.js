// Menus are <details>: they close on Escape, on a click elsewhere and when the focus leaves; arrow keys move inside.
function openMenus() {
  return document.querySelectorAll("details[data-menu][open]");
}

function items(menu) {
  return [...menu.querySelectorAll(".menu-item")];
}

function onKey(event) {
  const menu = event.target.closest?.("details[data-menu][open]");
  if (event.key === "Escape") {
    for (const open of openMenus()) {
      open.open = false;
      if (open === menu) open.querySelector("summary").focus();
    }
  } else if (menu && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    const list = items(menu);
    const step = event.key === "ArrowDown" ? 1 : -1;
    const at = list.indexOf(document.activeElement);
    list.at(at === -1 && step === -1 ? -1 : (at + step) % list.length)?.focus();
  }
}

export function enhanceMenus() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => {
    for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
    event.target.closest("[data-remove]")?.closest(".alert")?.remove();
  });
  document.addEventListener("focusout", (event) => {
    const menu = event.target.closest?.("details[data-menu][open]");
    if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
}
