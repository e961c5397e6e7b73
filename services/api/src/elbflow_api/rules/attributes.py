"""Load-balancer attributes as users give and see them (spec/elb-control-plane 1.8, AWS ranges)."""

from __future__ import annotations

from dataclasses import replace

from elbflow.contract import document
from elbflow_api import faults, query

DESYNC_MODE = "elb.http.desyncmitigationmode"

_DRAINING_TIMEOUTS_S = range(1, 3601)
_INTERVALS_MIN = (5, 60)
_ANY_INTERVALS_MIN = range(5, 61)
_LONGEST_PREFIX = 512


def check(given: query.Params, *, any_interval: bool) -> None:
    """Raise for what no load balancer can have. Ranges of single values are checked by the model."""
    for one in given.structures("AdditionalAttributes"):
        _check_additional(one)
    if draining := given.structure("ConnectionDraining"):
        timeout_s = draining.optional_integer("Timeout")
        if timeout_s is not None and timeout_s not in _DRAINING_TIMEOUTS_S:
            raise query.validation_error("ConnectionDraining timeout must be between 1 and 3600 seconds")
    if log := given.structure("AccessLog"):
        _check_access_log(log, any_interval=any_interval)


def log_bucket(given: query.Params) -> str | None:
    """The bucket that access logs shall go to; None when they are not switched on."""
    log = given.structure("AccessLog")
    return log.text("S3BucketName") if log is not None and log.flag("Enabled") else None


def merged(present: document.Attributes, given: query.Params) -> document.Attributes:
    """``present`` with the given attributes, which were checked."""
    if cross_zone := given.structure("CrossZoneLoadBalancing"):
        present = replace(present, cross_zone=cross_zone.flag("Enabled"))
    if connection := given.structure("ConnectionSettings"):
        present = replace(present, idle_timeout_s=connection.integer("IdleTimeout"))
    if draining := given.structure("ConnectionDraining"):
        timeout_s = draining.optional_integer("Timeout")
        if timeout_s is None:
            timeout_s = present.draining_timeout_s  # as AWS: Terraform switches draining on without naming it again
        present = replace(present, draining_enabled=draining.flag("Enabled"), draining_timeout_s=timeout_s)
    if log := given.structure("AccessLog"):
        present = _with_access_log(present, log)
    for one in given.structures("AdditionalAttributes"):
        present = replace(present, desync_mitigation=document.DesyncMitigation(one.text("Value")))
    return present


def shown(attributes: document.Attributes, only: query.Params | None = None) -> dict[str, query.Value]:
    """Attributes as answers show them; with ``only`` those that were given there."""
    everything: dict[str, query.Value] = {
        "CrossZoneLoadBalancing": {"Enabled": attributes.cross_zone},
        "AccessLog": _access_log(attributes),
        "ConnectionDraining": {"Enabled": attributes.draining_enabled, "Timeout": attributes.draining_timeout_s},
        "ConnectionSettings": {"IdleTimeout": attributes.idle_timeout_s},
        "AdditionalAttributes": [{"Key": DESYNC_MODE, "Value": attributes.desync_mitigation.value}],
    }
    return {name: value for name, value in everything.items() if only is None or name in only}


def _check_additional(one: query.Params) -> None:
    key, value = one.optional_text("Key"), one.optional_text("Value")
    if key != DESYNC_MODE:
        raise query.modelled("LoadBalancerAttributeNotFoundException", f"There is no attribute {key}")
    if value not in list(document.DesyncMitigation):
        known = ", ".join(document.DesyncMitigation)
        raise faults.invalid_configuration(f"{DESYNC_MODE} must be one of {known}")


def _check_access_log(log: query.Params, *, any_interval: bool) -> None:
    interval_min = log.optional_integer("EmitInterval")
    allowed = _ANY_INTERVALS_MIN if any_interval else _INTERVALS_MIN
    if interval_min is not None and interval_min not in allowed:
        choice = "from 5 to 60" if any_interval else "5 or 60"
        raise faults.invalid_configuration(f"The EmitInterval of access logs must be {choice} minutes")
    if not log.flag("Enabled"):
        return
    if not log.optional_text("S3BucketName"):
        raise faults.invalid_configuration("Access logs need an S3BucketName")
    prefix = log.optional_text("S3BucketPrefix") or ""
    if len(prefix) > _LONGEST_PREFIX or not prefix.isprintable():
        raise faults.invalid_configuration(
            f"The S3BucketPrefix of access logs must have at most {_LONGEST_PREFIX} printable characters"
        )


def _with_access_log(present: document.Attributes, log: query.Params) -> document.Attributes:
    """Switched off, access logs lose their settings, as in the original."""
    off = document.Attributes()
    enabled = log.flag("Enabled")
    return replace(
        present,
        access_log_enabled=enabled,
        access_log_bucket=log.text("S3BucketName") if enabled else off.access_log_bucket,
        access_log_prefix=(log.optional_text("S3BucketPrefix") or "") if enabled else off.access_log_prefix,
        access_log_interval_min=(log.optional_integer("EmitInterval") or off.access_log_interval_min)
        if enabled
        else off.access_log_interval_min,
    )


def _access_log(attributes: document.Attributes) -> dict[str, query.Value]:
    shown: dict[str, query.Value] = {"Enabled": attributes.access_log_enabled}
    if attributes.access_log_enabled:
        shown["S3BucketName"] = attributes.access_log_bucket or ""
        shown["EmitInterval"] = attributes.access_log_interval_min
        shown["S3BucketPrefix"] = attributes.access_log_prefix
    return shown
