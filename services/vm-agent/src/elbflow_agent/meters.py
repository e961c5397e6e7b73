"""Prometheus metrics of the agent. Labels are kinds and outcomes, never instance ids."""

from __future__ import annotations

import prometheus_client

from elbflow_agent import series

DIFFERENCES = ("version", "listener", "server", "address", "state", "certificate", "route", "trust")


class Meters:
    """All instruments of one process, registered in ``registry``."""

    def __init__(self, registry: prometheus_client.CollectorRegistry | None = None) -> None:
        where = registry if registry is not None else prometheus_client.CollectorRegistry()
        self.reloads = prometheus_client.Counter(
            "elbflow_agent_haproxy_reload", "HAProxy reloads by reason", ["reason"], registry=where
        )
        self.starts = prometheus_client.Counter(
            "elbflow_agent_haproxy_start", "HAProxy processes started", registry=where
        )
        self.old_workers = prometheus_client.Gauge(
            "elbflow_agent_haproxy_old_workers",
            "HAProxy workers that were replaced and still have connections",
            registry=where,
        )
        self.old_workers_ended = prometheus_client.Counter(
            "elbflow_agent_haproxy_old_workers_ended",
            "Old workers that were ended with connections left, because of their time or of their number",
            ["reason"],
            registry=where,
        )
        for reason in ("time", "number"):
            self.old_workers_ended.labels(reason)  # there before it is counted, so that its first increase is seen
        self.runtime_ops = prometheus_client.Counter(
            "elbflow_agent_runtime_ops", "HAProxy runtime commands by kind", ["kind"], registry=where
        )
        self.differences = prometheus_client.Counter(
            "elbflow_agent_haproxy_differences",
            "What HAProxy still had otherwise than wanted after a change, by kind; always 0 unless something is wrong",
            ["kind"],
            registry=where,
        )
        for kind in DIFFERENCES:
            self.differences.labels(kind)
        self.converge_errors = prometheus_client.Counter(
            "elbflow_agent_converge_errors", "Attempts to reach the desired state that failed", ["kind"], registry=where
        )
        self.probes = prometheus_client.Counter(
            "elbflow_agent_health_checks", "Health checks by outcome", ["outcome"], registry=where
        )
        self.transitions = prometheus_client.Counter(
            "elbflow_agent_health_transitions", "Changes of an instance's state", ["state"], registry=where
        )
        self.vms = prometheus_client.Gauge("elbflow_agent_vms", "VMs by state", ["state"], registry=where)
        self.load_balancers = series.Series(where)
        self.access_log_lines = prometheus_client.Counter(
            "elbflow_agent_access_log_lines", "Lines of access logs by what became of them", ["outcome"], registry=where
        )
        self.access_log_objects = prometheus_client.Counter(
            "elbflow_agent_access_log_objects", "Attempts to store a log object", ["outcome"], registry=where
        )
        self.access_log_spooled = prometheus_client.Gauge(
            "elbflow_agent_access_log_spooled_bytes", "Access logs on disk that are not stored yet", registry=where
        )
        self.firewall_missing = prometheus_client.Gauge(
            "elbflow_agent_firewall_missing", "VMs that are without their packet filter", registry=where
        )
        self.ipc_errors = prometheus_client.Counter(
            "elbflow_agent_ipc_errors", "Failures between worker and servo", ["kind"], registry=where
        )
