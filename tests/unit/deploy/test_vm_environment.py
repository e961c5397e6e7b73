"""The image's agents run with the environment that their memory is measured with."""

from __future__ import annotations

import configparser
from pathlib import Path

from tests.bench import data_plane_density

IMAGE = Path(__file__).parents[3] / "deploy" / "vm"


def test_what_is_measured_is_what_the_image_has() -> None:
    programs = configparser.RawConfigParser()
    programs.read(IMAGE / "supervisord.conf")
    container = words("Containerfile", "ENV ")
    unit = words("load-balancer-servo.service", "Environment=")
    for program in ("servo", "worker"):
        own = {each.replace('"', "") for each in programs[f"program:{program}"]["environment"].split(",")}
        for name, value in data_plane_density.IMAGE_ENVIRONMENT.items():
            assert f"{name}={value}" in own | (container & unit), (program, name)


def words(file: str, beginning: str) -> set[str]:
    """Those of the file's lines with this beginning."""
    lines = (IMAGE / file).read_text().splitlines()
    return {word for line in lines if line.startswith(beginning) for word in line.removeprefix(beginning).split()}
