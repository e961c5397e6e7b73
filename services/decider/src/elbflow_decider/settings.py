"""Settings of the decider."""

from __future__ import annotations

from pydantic import Field

from elbflow import service
from elbflow.contract import settings as common

_SPARE_FILES = 128


class DeciderSettings(common.WorkerSettings, service.ServiceSettings):
    """Settings of ``elbflow-decider``: ``ELBFLOW_*`` variables."""

    decision_slots: int = Field(8, ge=1, le=256, description="Decisions in work at the same time")

    @property
    def data_connections(self) -> int:
        return max(super().data_connections, 2 * self.decision_slots)

    @property
    def needed_files(self) -> int:
        """Open files the process must be able to hold."""
        return self.swf_connections + _SPARE_FILES
