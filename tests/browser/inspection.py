"""What must hold of every page: axe finds nothing, the console stays empty, nothing comes from elsewhere, it fits."""

from typing import Any, Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import ConsoleMessage, Page, Request, Response

Scheme = Literal["light", "dark"]

WIDE, PHONE = 1280, 390
HEIGHT = 900
# axe's own rules with what it leaves out by default; on the other colours only what colours can change.
QUICKLY = {"resultTypes": ["violations"], "preload": False, "iframes": False, "selectors": False}
EVERYTHING = {**QUICKLY, "rules": {"target-size": {"enabled": True}}}
COLOURS = {**QUICKLY, "runOnly": {"type": "rule", "values": ["color-contrast"]}}
RUN = """options => axe.run(document, options).then(result => result.violations.map(violation => [
    violation.id, violation.help, violation.nodes.slice(0, 3).map(node => node.html.slice(0, 200) + " " + node.any.map(
        check => check.message).join(" "))]))"""
SETTLED = "() => !document.querySelector('[hx-trigger=load], .htmx-request, .htmx-settling')"
OVERFLOW = """() => [...document.querySelectorAll('body *')].filter(element => {
    const box = element.getBoundingClientRect();
    if (!box.width || box.right <= document.documentElement.clientWidth + 1) return false;
    for (let outer = element.parentElement; outer; outer = outer.parentElement)
        if (outer !== document.body && getComputedStyle(outer).overflowX !== 'visible') return false;
    return getComputedStyle(element).position !== 'fixed';
}).slice(0, 3).map(element => element.outerHTML.slice(0, 160))"""
SIDEWAYS = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
# On a phone a table is a list, with nothing to push aside.
CUT = """() => [...document.querySelectorAll('.table-stack')].filter(table => {
    const around = table.parentElement;
    return around.scrollWidth > around.clientWidth + 1;
}).map(table => table.outerHTML.slice(0, 160))"""
CSP = "document.addEventListener('securitypolicyviolation', event => console.error(`CSP ${event.violatedDirective} \
${event.blockedURI} ${event.sourceFile}`))"


class Inspector:
    """Watches one page of a browser and looks closely at what it shows."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self._address = address
        self._said: list[str] = []
        page.add_init_script(CSP)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._said.append(f"script: {error}"))
        page.on("request", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        # The browser reports the status of the page itself, which the tests look at anyhow.
        if message.type in ("error", "warning") and message.location.get("url") != self.page.url:
            self._said.append(f"{message.type}: {message.text} ({message.location.get('url')})")
        elif message.type == "error" and "the server responded with a status of" not in message.text:
            self._said.append(f"{message.type}: {message.text}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith((f"{self._address}/", "data:", "blob:")):
            self._said.append(f"elsewhere: {request.url}")

    def open(self, path: str) -> Response:
        """Goes there; the answer, after its redirects."""
        self._said.clear()
        answer = self.page.goto(path)
        assert answer
        return answer

    def faults(self, *, thoroughly: bool = True) -> list[str]:
        """Everything that is wrong with the page as it stands, at both widths, in light and dark.

        Not thoroughly is light on the wide window and dark on the phone, and half the time.
        """
        self.page.wait_for_function(SETTLED)
        self.page.evaluate(AXE_SCRIPT)
        found = self._faults_at(WIDE, first="light", second="dark" if thoroughly else "")
        found += self._faults_at(PHONE, first="dark", second="light" if thoroughly else "")
        self.page.set_viewport_size({"width": WIDE, "height": HEIGHT})
        self.page.emulate_media(color_scheme="light")
        return found + self._said

    def _faults_at(self, width: int, *, first: Scheme, second: Scheme | Literal[""]) -> list[str]:
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        found = []
        if self.page.evaluate(SIDEWAYS):
            found.append(f"{width}: wider than the window: {self.page.evaluate(OVERFLOW)}")
        if width == PHONE and (cut := self.page.evaluate(CUT)):
            found.append(f"{width}: a table is wider than what is around it: {cut}")
        self.page.emulate_media(color_scheme=first)
        found += [f"{width} {first}: {violation}" for violation in self._axe(EVERYTHING)]
        if second:
            self.page.emulate_media(color_scheme=second)
            found += [f"{width} {second}: {violation}" for violation in self._axe(COLOURS)]
        return found

    def _axe(self, options: dict[str, Any]) -> list[Any]:
        return self.page.evaluate(RUN, options)
