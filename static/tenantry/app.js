// Everything here improves pages that already work without it.
import { enhanceConfirmations } from "./confirm.js";
import { enhanceCopyButtons } from "./copy.js";
import { enhanceDialogs } from "./dialog.js";
import { enhancePolling } from "./live.js";
import { enhanceMenus } from "./menu.js";
import { enhanceOnceForms } from "./once.js";
import { enhancePasskeys } from "./passkeys.js";
import { announceProblems } from "./problems.js";
import { enhanceSlugs } from "./slug.js";
import { enhanceTheme } from "./theme.js";
import { enhanceTimes } from "./time.js";

document.documentElement.classList.add("scripted");

enhanceConfirmations();
enhanceCopyButtons();
enhanceDialogs();
enhanceMenus();
enhanceOnceForms();
enhancePasskeys();
enhancePolling();
enhanceSlugs();
enhanceTheme();
enhanceTimes();
announceProblems();

if (!document.querySelector("dialog[open]")) document.querySelector("[data-focus]")?.focus();
