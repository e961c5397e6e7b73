"""What log lines and looks at queues tell beyond counters: latencies and extremes (spec/vm-agent 5.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from elbflow_agent.haproxy import logs, model


@dataclass(slots=True)
class Samples:
    """Latencies in milliseconds by port of the listener since the last look, and extremes since the last report.

    Of busy listeners fewer lines are seen than of others, so only lines of one listener make a mean.
    """

    latencies: dict[int, tuple[float, float]] = field(default_factory=dict)
    extremes: dict[str, float] = field(default_factory=dict)

    def add(self, line: logs.Short, weight: float = 1.0) -> None:
        """Take what one request or connection says, which stands for ``weight`` of its listener."""
        latency_ms, port = line.latency_ms, model.port_of(line.frontend.removesuffix("~"))
        if latency_ms is not None:
            if port is not None:
                total, count = self.latencies.get(port, (0.0, 0.0))
                self.latencies[port] = total + weight * latency_ms, count + weight
            self.extremes["LatencyMin"] = min(self.extremes.get("LatencyMin", latency_ms), latency_ms)
            self.extremes["LatencyMax"] = max(self.extremes.get("LatencyMax", latency_ms), latency_ms)
        if line.queue:
            self.add_queue(line.queue)

    def add_queue(self, length: float) -> None:
        """Take how many requests or connections waited at some instant."""
        self.extremes["SurgeQueueLength"] = max(self.extremes.get("SurgeQueueLength", length), length)

    def means(self) -> Mapping[int, float]:
        """Mean latencies since the last look, by port of the listener."""
        return {port: total / count for port, (total, count) in self.latencies.items()}

    def take_extremes(self) -> Mapping[str, float]:
        """Extremes since the last call."""
        taken, self.extremes = self.extremes, {}
        return taken
