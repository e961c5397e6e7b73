"""What log lines and looks at queues tell beyond counters: latencies and extremes (spec/vm-agent 5.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from elbflow_agent.haproxy import logs, model

_MODES = {"H": model.Mode.HTTP, "T": model.Mode.TCP}


@dataclass(slots=True)
class Samples:
    """Latencies in milliseconds by kind of listener since the last look, and extremes since the last report."""

    latencies: dict[model.Mode, tuple[float, int]] = field(default_factory=dict)
    extremes: dict[str, float] = field(default_factory=dict)

    def add(self, line: logs.Short) -> None:
        """Take what one request or connection says."""
        latency_ms, mode = line.latency_ms, _MODES.get(line.kind)
        if latency_ms is not None and mode is not None:
            total, count = self.latencies.get(mode, (0.0, 0))
            self.latencies[mode] = total + latency_ms, count + 1
            self.extremes["LatencyMin"] = min(self.extremes.get("LatencyMin", latency_ms), latency_ms)
            self.extremes["LatencyMax"] = max(self.extremes.get("LatencyMax", latency_ms), latency_ms)
        if line.queue:
            self.add_queue(line.queue)

    def add_queue(self, length: float) -> None:
        """Take how many requests or connections waited at some instant."""
        self.extremes["SurgeQueueLength"] = max(self.extremes.get("SurgeQueueLength", length), length)

    def means(self) -> Mapping[model.Mode, float]:
        """Mean latencies since the last look."""
        return {mode: total / count for mode, (total, count) in self.latencies.items()}

    def take_extremes(self) -> Mapping[str, float]:
        """Extremes since the last call."""
        taken, self.extremes = self.extremes, {}
        return taken
