"""What log lines and looks at queues tell beyond counters: latencies and extremes (spec/vm-agent 5.5).

HAProxy counts an answer when it begins and writes its line when all of it has been passed on. So an answer that was
counted is owed a latency until its line comes, and a line is used for one answer. Sums, numbers and extremes always
tell of the same answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from elbflow_agent.haproxy import logs, model

_INFORMATIONAL = range(100, 200)


@dataclass(slots=True)
class _Listener:
    """``heard`` are lines since the last settlement by latency, ``left`` those of the one before that were not used.

    ``owed`` answers are in no sum yet; without a line ``usual_ms`` will do.
    """

    owed: float = 0.0
    usual_ms: float = 0.0
    heard: dict[int, float] = field(default_factory=dict)
    left: dict[int, float] = field(default_factory=dict)

    def use(self) -> dict[int, float]:
        """Use lines, the older ones first, for what is owed; how many of which latency."""
        used: dict[int, float] = {}
        for lines in (self.left, self.heard):
            for latency_ms, number in tuple(lines.items()):
                taken = min(number, self.owed)
                if taken <= 0:
                    break
                self.owed -= taken
                lines[latency_ms] -= taken
                used[latency_ms] = used.get(latency_ms, 0.0) + taken
        # A line that nobody needs at the next settlement either belongs to an answer that was not counted here.
        self.left, self.heard = {each: number for each, number in self.heard.items() if number > 0}, {}
        return used


@dataclass(slots=True)
class Samples:
    """Latencies in milliseconds by port of the listener, and extremes since the last report.

    Of busy listeners fewer lines are seen than of others, so only lines of one listener make a mean.
    """

    listeners: dict[int, _Listener] = field(default_factory=dict)
    extremes: dict[str, float] = field(default_factory=dict)

    def add(self, line: logs.Short, weight: float = 1.0) -> None:
        """Take what one request or connection says, which stands for ``weight``, a whole number, of its listener."""
        latency_ms, port = line.latency_ms, model.port_of(line.frontend.removesuffix("~"))
        if latency_ms is not None and port is not None and line.status not in _INFORMATIONAL:
            heard = self.listeners.setdefault(port, _Listener()).heard
            heard[latency_ms] = heard.get(latency_ms, 0.0) + weight
        if line.queue:
            self.add_queue(line.queue)

    def add_queue(self, length: float) -> None:
        """Take how many requests or connections waited at some instant."""
        self.extremes["SurgeQueueLength"] = max(self.extremes.get("SurgeQueueLength", length), length)

    def owe(self, port: int, answers: float, usual_ms: float = 0.0) -> None:
        """That many answers were counted; ``usual_ms`` is what they may have taken. Less than none take back some."""
        listener = self.listeners.setdefault(port, _Listener())
        listener.owed += answers
        if answers > 0 and listener.owed > 0:
            listener.usual_ms += (usual_ms - listener.usual_ms) * min(1.0, answers / listener.owed)

    @property
    def owed(self) -> dict[int, float]:
        """Answers that are in no sum yet, by port."""
        return {port: listener.owed for port, listener in self.listeners.items() if listener.owed}

    def settle(self, ended: Mapping[int, float]) -> tuple[float, float]:
        """How many answers have a latency now, and the sum of those in milliseconds.

        ``ended`` tells by port how many of those that are owed had ended before lines were looked for. Which have no
        line, because HAProxy writes but some or because it was lost, took as long as those that have one.
        """
        number = total_ms = 0.0
        for port, listener in tuple(self.listeners.items()):
            used = listener.use()
            lines, sum_ms = sum(used.values()), sum(each * times for each, times in used.items())
            silent = max(0.0, min(ended.get(port, 0.0) - lines, listener.owed))
            listener.owed -= silent
            number += lines + silent
            total_ms += sum_ms + silent * (sum_ms / lines if lines else listener.usual_ms)
            if used:
                self._stretch(min(used), max(used))
            if not listener.owed and not listener.left:
                del self.listeners[port]
        return number, total_ms

    def take_extremes(self) -> Mapping[str, float]:
        """Extremes since the last call."""
        taken, self.extremes = self.extremes, {}
        return taken

    def _stretch(self, least_ms: float, most_ms: float) -> None:
        self.extremes["LatencyMin"] = min(self.extremes.get("LatencyMin", least_ms), least_ms)
        self.extremes["LatencyMax"] = max(self.extremes.get("LatencyMax", most_ms), most_ms)
