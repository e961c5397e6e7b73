"""Where a browser that opens the SWF endpoint finds the console."""

from __future__ import annotations

from elbflow_engine.wire import messages

PATH = "/console"
_TEXT = "text/plain; charset=utf-8"
_NOWHERE = "The console is not served here: it is at /console of the engine's admin server (docs/console.md).\n"


class Doorway:
    """Answers ``GET /console``. ``url``: the console's address, None when it is not to be told."""

    def __init__(self) -> None:
        self.url: str | None = None

    def answer(self, request: messages.Request) -> messages.Answer | None:
        """The way to the console, a plain 404 when there is none to tell, or None for what is no such request."""
        if request.method not in ("GET", "HEAD") or request.path.rstrip("/") != PATH:
            return None
        if self.url is None:
            return messages.Answer(_NOWHERE.encode(), 404, _TEXT)
        return messages.Answer(b"", 307, _TEXT, {"Location": self.url, "Cache-Control": "no-store"})
