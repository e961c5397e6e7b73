"""``elbflow-activities``: the activities service as a process, configured by ``ELBFLOW_*`` variables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import pydantic

from elbflow import service
from elbflow_activities import app
from elbflow_activities.settings import ActivitiesSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code of :func:`elbflow.service.run`, 2 for wrong settings."""
    argparse.ArgumentParser(prog="elbflow-activities", description=__doc__).parse_args(arguments)
    try:
        settings = ActivitiesSettings()
    except pydantic.ValidationError as error:
        return service.refuse("elbflow-activities", error)
    return service.run(app.serve, settings, "activities", needed_files=settings.needed_files)


if __name__ == "__main__":
    sys.exit(main())
