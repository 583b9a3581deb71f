"""The tab in a page of a browser, which remembers whatever went wrong there."""

from typing import Any
from urllib.parse import quote

PATIENCE = 20_000.0  # milliseconds, for a busy machine


class Tab:
    """A page with the tab open; it remembers whatever went wrong."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address, self.wrong = page, address, list[str]()
        self.frame: Any = page
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.wrong.append(f"page error: {error}"))
        page.on("requestfailed", self._failed)
        page.on("request", self._asked)
        page.on("console", self._said)

    def _failed(self, request: Any) -> None:
        if "ERR_ABORTED" not in str(request.failure):  # the page was left
            self.wrong.append(f"failed: {request.url}: {request.failure}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:", "about:")):
            self.wrong.append(f"asked outside: {request.url}")

    def _said(self, message: Any) -> None:
        if message.location["url"].endswith("favicon.ico"):
            return  # the tab's own page has none
        if message.type == "error" or "Content Security Policy" in message.text:
            self.wrong.append(f"console: {message.text}")

    def open(self, **state: str) -> None:
        """Open the tab within TensorBoard."""
        self._go(f"{self.address}/#gradvitals", state)
        self.look_inside()

    def look_inside(self) -> None:
        """Look at the frame that TensorBoard has for the tab."""
        self.frame = self.page.frame_locator("iframe[src*='gradvitals']")

    def open_alone(self, **state: str) -> None:
        """Open the tab's own page, which is there at once."""
        self._go(f"{self.address}/data/plugin_entry.html?name=gradvitals#", state)
        self.frame = self.page

    def find(self, selector: str, **options: Any) -> Any:
        """Find what a selector says, in the tab."""
        return self.frame.locator(selector, **options)

    def forgive(self, word: str) -> None:
        """Forget what went wrong with this word in it."""
        self.wrong = [each for each in self.wrong if word not in each]

    def _go(self, start: str, state: dict[str, str]) -> None:
        pairs = [f"p.gradvitals.{key}={quote(value, safe='')}" for key, value in state.items()]
        self.page.goto("about:blank")
        self.page.goto("&".join([start, *pairs]))
