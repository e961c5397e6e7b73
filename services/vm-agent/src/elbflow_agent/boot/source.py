"""A VM's settings from its user data and its metadata, for what neither options nor variables say."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from elbflow_agent.boot import servo_conf
from elbflow_agent.boot.metadata import MetadataService

FILE_SETTING = "agent_servo_conf"


class BootSource(PydanticBaseSettingsSource):
    """Reads the file that ``agent_servo_conf`` names; without one it gives nothing and asks nobody.

    With a file, the metadata service is asked for the instance id and the address if nobody else said them.
    Raises :class:`servo_conf.UnusableServoConf` and :class:`MetadataUnavailable`.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Settings come all at once, from :meth:`__call__`."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        path = self.current_state.get(FILE_SETTING)
        if path is None:
            return {}
        known = set(self.settings_cls.model_fields) - {FILE_SETTING}
        found = servo_conf.settings(servo_conf.read(Path(path)), known)
        given = {*self.current_state, *found}
        service = MetadataService()
        address = functools.partial(service.data_address, is_attached_later=servo_conf.is_of_original(found))
        for setting, ask in (("agent_instance_id", service.instance_id), ("agent_address", address)):
            if setting not in given and not service.is_disabled():
                found[setting] = ask()
        return found
