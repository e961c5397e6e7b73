"""What a run writes into its own history: plain markers, patches, and values that only one evaluation may give.

A marker travels with the decision that asked for it (see ``commands``), so replay finds it in that decision's record.
An instance that lives on between decisions has the answers in memory and needs no record.
"""

from __future__ import annotations

from collections.abc import Callable

from elbflow import swf
from elbflow.flow import errors, limits
from elbflow.flow.core import commands, events

SIDE_EFFECT_MARKER = "elbflow.side-effect"
RESERVED = "elbflow."
_TOO_LARGE = "!"  # JSON never begins with it


class Markers:
    """``patches`` are those that the history holds anywhere, ``batch`` is the decision taken or repeated now."""

    def __init__(self, outbox: commands.Outbox, patches: frozenset[str]) -> None:
        self._outbox = outbox
        self._recorded_patches = patches
        self._patches: dict[str, bool] = {}
        self._side_effects = 0
        self.batch: events.Batch | None = None

    def record(self, name: str, details: str | None, *, counts: bool = True) -> None:
        attributes = {"markerName": name} | ({} if details is None else {"details": details})
        self._outbox.add(swf.Decision("RecordMarker", attributes), counts=counts)

    def patched(self, name: str) -> bool:
        """Whether the code under patch ``name`` runs: where history says so, and in every decision that is new."""
        if name not in self._patches:
            recorded = name in self._recorded_patches
            new = not recorded and self._record() is None
            if new:  # not counted: replay does not ask for it again
                self.record(events.PATCH_MARKER, name, counts=False)
            self._patches[name] = recorded or new
        return self._patches[name]

    def side_effect(self, evaluate: Callable[[], str]) -> str:
        """What ``evaluate()`` gave the first time, as payload text. Raises NonDeterminism where history has none."""
        self._side_effects += 1
        head = f"{self._side_effects}:"
        record = self._record()
        if record is None:
            details = self._first(head, evaluate)
        else:
            mine = (event for event in record if event.attributes.get("markerName") == SIDE_EFFECT_MARKER)
            found = (events.text(event, "details") or "" for event in mine)
            details = next((text for text in found if text.startswith(head)), "")
            if not details:
                raise errors.NonDeterminism(f"history has no value of side effect {self._side_effects}")
            self.record(SIDE_EFFECT_MARKER, details, counts=not details.startswith(head + _TOO_LARGE))
        value = details.removeprefix(head)
        if value.startswith(_TOO_LARGE):
            raise errors.PayloadTooLarge.of("details", int(value[1:]), limits.MOST_TEXT)
        return value

    def _first(self, head: str, evaluate: Callable[[], str]) -> str:
        try:
            details = head + evaluate()
            self.record(SIDE_EFFECT_MARKER, details)
        except errors.PayloadTooLarge as error:  # that is what replay must hear again
            details = f"{head}{_TOO_LARGE}{error.size}"
            self.record(SIDE_EFFECT_MARKER, details, counts=False)
        return details

    def _record(self) -> list[swf.HistoryEvent] | None:
        return None if self.batch is None else self.batch.recorded
