// <time data-relative> becomes "3 hours ago"; the exact time stays in its title.
const STEPS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
const REFRESH_MILLISECONDS = 30000;

const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export function relativeWords(then, now) {
  const seconds = Math.round((then - now) / 1000);
  const step = STEPS.find(([, length]) => Math.abs(seconds) >= length);
  return step ? format.format(Math.trunc(seconds / step[1]), step[0]) : "just now";
}

function refresh(root) {
  for (const element of root.querySelectorAll("time[data-relative]")) {
    const then = Date.parse(element.dateTime);
    if (!Number.isNaN(then)) element.textContent = relativeWords(then, Date.now());
  }
}

export function enhanceTimes() {
  refresh(document);
  document.addEventListener("htmx:load", (event) => refresh(event.target.parentElement ?? document));
  setInterval(() => { if (!document.hidden) refresh(document); }, REFRESH_MILLISECONDS);
}
