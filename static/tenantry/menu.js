// Menus are <details>: they close on Escape, on a click elsewhere and when the focus leaves; arrow keys move inside.
const GAP = 4;

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

// A table's region clips what leaves it, so a menu inside is placed on the screen: below its button, or above near the end.
function place(menu) {
  const button = menu.querySelector("summary").getBoundingClientRect();
  const panel = menu.querySelector(".menu-panel");
  const below = innerHeight - button.bottom > panel.offsetHeight + GAP * 2;
  Object.assign(panel.style, {
    position: "fixed",
    margin: "0",
    left: "auto",
    right: `${document.documentElement.clientWidth - button.right}px`,
    top: below ? `${button.bottom + GAP}px` : "auto",
    bottom: below ? "auto" : `${innerHeight - button.top + GAP}px`,
  });
}

function closePlaced() {
  for (const menu of openMenus()) if (menu.closest(".table-region")) menu.open = false;
}

export function enhanceMenus() {
  document.addEventListener("toggle", (event) => {
    if (event.target.matches(".table-region details[data-menu][open]")) place(event.target);
  }, true);
  document.addEventListener("scroll", closePlaced, { capture: true, passive: true });
  addEventListener("resize", closePlaced);
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
