"""What happened once to each workflow of the control plane, recorded on the engine's core.

``python -m tests.replay.record [WORKFLOW ...]`` writes ``histories/<workflow>/<case>.json``. What was recorded stays,
for it stands for executions in flight: when a build takes another course, as it does behind ``flow.patched``, its
history is kept beside the others of the case as ``<case>-2.json``. All must be replayed by every later build.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable
from typing import Any

from tests.replay.engine_run import VMS, EngineRun, Never, Refused

from elbflow import flow
from elbflow.contract import activities, document, transport, vm_activities, workflows
from elbflow_decider import workflows as build

HISTORIES = pathlib.Path(__file__).with_name("histories")
KEY = document.LoadBalancerKey("000000000001", "web")
BALANCER = workflows.LoadBalancerInput(KEY)
LISTENERS = workflows.ListenersInput(KEY, (80, 443))
PLAIN = workflows.ListenersInput(KEY, (80,), certificates=False, health_check=False)
ZONES = workflows.ZonesInput(KEY, ("local-1a", "local-1b"))
CREATION = workflows.CreateLoadBalancerInput(KEY, zones=("local-1a", "local-1b"), ports=(80, 443))
RENAMED = workflows.CertificateInput(KEY, 443, "arn:new", "arn:new")
CERTIFICATE = workflows.CertificateInput(KEY, 443, "arn:new", "arn:old")
LOGGED = workflows.AttributesInput(KEY, document.Attributes(access_log_enabled=True, access_log_bucket="logs"))
GROUPS = workflows.SecurityGroupsInput(
    KEY, (document.SecurityGroup("sg-1", "web"), document.SecurityGroup("sg-2", "db"))
)
CROSS_ZONE = workflows.AttributesInput(KEY, document.Attributes(cross_zone=True))

Case = Callable[[], EngineRun]


def _raises(error: Exception) -> Callable[..., Any]:
    def function(*_: object) -> None:
        raise error

    return function


def succeeds(workflow: type, value: object) -> Case:
    def case() -> EngineRun:
        run = EngineRun(workflow, value)
        run.run()
        return run

    return case


def fails_at(workflow: type, value: object, step: flow.Activity[..., Any], error: Exception | None = None) -> Case:
    """A step fails: for good by default, else with ``error``, retried as the activity's options say."""

    def case() -> EngineRun:
        run = EngineRun(workflow, value)
        run.cloud.on(step, _raises(error or Refused("no such thing")))
        run.run()
        return run

    return case


def cancelled_at(workflow: type, value: object, step: flow.Activity[..., Any]) -> Case:
    """Cancellation arrives while ``step`` runs, whose worker has died."""

    def case() -> EngineRun:
        run = EngineRun(workflow, value)
        run.cloud.on(step, _raises(Never()))
        run.run(until=lambda: run.cloud.times(step) > 0)
        run.settle()
        run.cancel()
        run.run()
        return run

    return case


def interrupted(workflow: type, value: object) -> Case:
    """The decider dies twice, and a step fails in passing."""

    def case() -> EngineRun:
        run = EngineRun(workflow, value)
        run.lose_decision()
        run.run(until=lambda: len(run.cloud.log) >= 2)
        if run.decision_waits:
            run.lose_decision()
        run.run()
        return run

    return case


def hiccup(workflow: type, value: object, step: flow.Activity[..., Any]) -> Case:
    """The first attempt of ``step`` fails, the next one works."""

    def case() -> EngineRun:
        run = EngineRun(workflow, value)
        attempts = iter([_raises(ConnectionError("cloud down"))])
        works = run.cloud.carry_out

        def carry_out(activity: flow.Activity[..., Any], arguments: tuple[Any, ...]) -> Any:
            if activity is step and (attempt := next(attempts, None)) is not None:
                run.cloud.log.append(activity.name)
                return attempt()
            return works(activity, arguments)

        run.cloud.carry_out = carry_out  # type: ignore[method-assign]
        run.run()
        return run

    return case


def _vm_fails(workflow: type, step: flow.Activity[..., Any]) -> Case:
    """Every attempt of a VM's activity dies with its worker; at last the load balancer is deleted."""

    def case() -> EngineRun:
        run = EngineRun(workflow, BALANCER)
        run.cloud.on(step, _raises(Never()))
        run.run(until=lambda: run.cloud.times(activities.record_vm_failure) >= 3)
        for lookup in (activities.lookup_vms, activities.lookup_document, activities.lookup_zones):
            run.cloud.on(lookup, _raises(Refused("There is no load balancer web")))
        run.run()
        return run

    return case


def _signalled(workflow: type, signal: flow.SignalSignature[Any], value: Any) -> Case:
    """Signals between and during decisions, VMs that come and go; then it is cancelled."""

    def case() -> EngineRun:
        run = EngineRun(workflow, BALANCER)
        run.cloud.serves(VMS[:1])
        run.cloud.on(vm_activities.get_instance_status, _status)
        run.cloud.on(vm_activities.get_cloudwatch_metrics, _raises(Never()))
        run.settle()
        run.cloud.serves(VMS)
        run.signal(signal, value)
        run.answer_after(lambda: run.signal(signal, value))
        run.settle()
        run.cloud.serves(VMS[1:])
        run.signal(signal, value)
        run.settle()
        run.signal(signal, value)
        run.lose_decision()
        run.settle()
        run.cancel()
        run.run()
        return run

    return case


def _in_parts() -> EngineRun:
    """No payload can carry the document. It changes while it is looked up, and the VM loses a part once."""
    run = EngineRun(build.UpdateLoadBalancer, BALANCER)
    parcel = transport.Parcel("digest", 2)
    seen: list[transport.Part] = []

    def part(key: document.LoadBalancerKey, vm: str, wanted: transport.Parcel, index: int) -> transport.Part | None:
        return transport.Part(wanted, index, "text") if run.cloud.times(activities.lookup_document) > 1 else None

    def keep(one: transport.Part) -> document.Applied | None:
        seen.append(one)
        if len(seen) == parcel.parts:
            raise transport.Damaged
        return document.Applied(1, "hash") if one.index == parcel.parts - 1 else None

    run.cloud.on(activities.lookup_zones, lambda key: (activities.ServingZone((activities.ServingVm("i-1"),), None),))
    run.cloud.on(activities.lookup_document, lambda key, vm: parcel)
    run.cloud.on(activities.lookup_document_part, part)
    run.cloud.on(vm_activities.set_load_balancer_part, keep)
    run.run(until=lambda: run.cloud.times(activities.record_applied) > 0)
    run.signal(workflows.UPDATE_IMMEDIATELY, 2)
    run.settle()
    run.cancel()
    run.run()
    return run


def _status(known: str) -> document.HealthReport:
    if known:
        raise Never
    return document.HealthReport("digest")


CASES: dict[type, dict[str, Case]] = {
    build.CreateLoadBalancer: {
        "succeeds": succeeds(build.CreateLoadBalancer, CREATION),
        "fails_at_commit": fails_at(build.CreateLoadBalancer, CREATION, activities.create_load_balancer_commit),
        "fails_at_scaling_group": fails_at(build.CreateLoadBalancer, CREATION, activities.scaling_group_setup),
        "fails_at_role": fails_at(build.CreateLoadBalancer, CREATION, activities.iam_role_setup),
        "cloud_is_down": fails_at(build.CreateLoadBalancer, CREATION, activities.tag_creator, ConnectionError("down")),
        "step_hangs": fails_at(build.CreateLoadBalancer, CREATION, activities.listener_check_certificates, Never()),
        "hiccup": hiccup(build.CreateLoadBalancer, CREATION, activities.instance_profile_setup),
        "cancelled": cancelled_at(build.CreateLoadBalancer, CREATION, activities.scaling_group_setup),
        "interrupted": interrupted(build.CreateLoadBalancer, CREATION),
    },
    build.DeleteLoadBalancer: {
        "succeeds": succeeds(build.DeleteLoadBalancer, BALANCER),
        "fails": fails_at(build.DeleteLoadBalancer, BALANCER, activities.delete_scaling_groups, ConnectionError("x")),
        "cancelled": cancelled_at(build.DeleteLoadBalancer, BALANCER, activities.delete_scaling_groups),
        "interrupted": interrupted(build.DeleteLoadBalancer, BALANCER),
    },
    build.CreateLoadBalancerListeners: {
        "succeeds": succeeds(build.CreateLoadBalancerListeners, LISTENERS),
        "succeeds_without_certificates": succeeds(build.CreateLoadBalancerListeners, PLAIN),
        "fails": fails_at(build.CreateLoadBalancerListeners, LISTENERS, activities.listener_default_health_check),
        "cancelled": cancelled_at(build.CreateLoadBalancerListeners, LISTENERS, activities.listener_authorize_ingress),
    },
    build.DeleteLoadBalancerListeners: {
        "succeeds": succeeds(build.DeleteLoadBalancerListeners, LISTENERS),
        "succeeds_without_certificates": succeeds(build.DeleteLoadBalancerListeners, PLAIN),
        "fails": fails_at(build.DeleteLoadBalancerListeners, LISTENERS, activities.listener_revoke_ingress),
        "cancelled": cancelled_at(build.DeleteLoadBalancerListeners, LISTENERS, activities.listener_revoke_ingress),
    },
    build.SetLoadBalancerListenerSSLCertificate: {
        "succeeds": succeeds(build.SetLoadBalancerListenerSSLCertificate, CERTIFICATE),
        "fails": fails_at(
            build.SetLoadBalancerListenerSSLCertificate, CERTIFICATE, activities.listener_certificate_commit
        ),
        "renamed": fails_at(
            build.SetLoadBalancerListenerSSLCertificate, RENAMED, activities.listener_certificate_commit
        ),
        "permission_stays": fails_at(
            build.SetLoadBalancerListenerSSLCertificate, CERTIFICATE, activities.listener_revoke_certificates
        ),
        "cancelled": cancelled_at(
            build.SetLoadBalancerListenerSSLCertificate, CERTIFICATE, activities.listener_authorize_certificates
        ),
    },
    build.EnableAvailabilityZone: {
        "succeeds": succeeds(build.EnableAvailabilityZone, ZONES),
        "fails": fails_at(build.EnableAvailabilityZone, ZONES, activities.enable_zones_reset_backends),
        "cancelled": cancelled_at(build.EnableAvailabilityZone, ZONES, activities.scaling_group_setup),
    },
    build.DisableAvailabilityZone: {
        "succeeds": succeeds(build.DisableAvailabilityZone, ZONES),
        "fails": fails_at(build.DisableAvailabilityZone, ZONES, activities.disable_zones_mark_backends),
        "cancelled": cancelled_at(build.DisableAvailabilityZone, ZONES, activities.disable_zones_scale_in),
    },
    build.ModifyLoadBalancerAttributes: {
        "succeeds": succeeds(build.ModifyLoadBalancerAttributes, LOGGED),
        "succeeds_without_log": succeeds(build.ModifyLoadBalancerAttributes, CROSS_ZONE),
        "fails": fails_at(build.ModifyLoadBalancerAttributes, LOGGED, activities.persist_attributes),
        "cancelled": cancelled_at(build.ModifyLoadBalancerAttributes, LOGGED, activities.persist_attributes),
    },
    build.ApplySecurityGroups: {
        "succeeds": succeeds(build.ApplySecurityGroups, GROUPS),
        "fails": fails_at(build.ApplySecurityGroups, GROUPS, activities.persist_security_groups),
        "cancelled": cancelled_at(build.ApplySecurityGroups, GROUPS, activities.apply_security_groups),
    },
    build.UpdateLoadBalancer: {
        "continues": succeeds(build.UpdateLoadBalancer, BALANCER),
        "signalled": _signalled(build.UpdateLoadBalancer, workflows.UPDATE_IMMEDIATELY, 2),
        "vm_fails": _vm_fails(build.UpdateLoadBalancer, vm_activities.set_load_balancer),
        "balancer_is_gone": fails_at(build.UpdateLoadBalancer, BALANCER, activities.lookup_zones),
        "in_parts": _in_parts,
    },
    build.PollInstanceStatus: {
        "continues": succeeds(build.PollInstanceStatus, BALANCER),
        "signalled": _signalled(build.PollInstanceStatus, workflows.POLL_IMMEDIATELY, None),
        "vm_fails": _vm_fails(build.PollInstanceStatus, vm_activities.get_instance_status),
        "balancer_is_gone": fails_at(build.PollInstanceStatus, BALANCER, activities.lookup_vms),
    },
    build.PutCloudWatchMetric: {
        "continues": succeeds(build.PutCloudWatchMetric, BALANCER),
        "signalled": _signalled(build.PutCloudWatchMetric, workflows.POLL_IMMEDIATELY, None),
        "vm_fails": _vm_fails(build.PutCloudWatchMetric, vm_activities.get_cloudwatch_metrics),
        "balancer_is_gone": fails_at(build.PutCloudWatchMetric, BALANCER, activities.lookup_vms),
    },
    build.PerformServiceHealthCheck: {
        "continues": succeeds(build.PerformServiceHealthCheck, workflows.ServiceHealthInput()),
        "step_fails": fails_at(build.PerformServiceHealthCheck, workflows.ServiceHealthInput(), activities.check_vms),
        "cancelled": cancelled_at(
            build.PerformServiceHealthCheck, workflows.ServiceHealthInput(), activities.check_backends
        ),
    },
}


def main(wanted: list[str]) -> None:
    for workflow, cases in CASES.items():
        if wanted and workflow.__name__ not in wanted:
            continue
        folder = HISTORIES / workflow.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for name, case in cases.items():
            sys.stdout.write(f"{workflow.__name__}/{name}: {_keep(folder, name, case().recorded())}\n")


def _keep(folder: pathlib.Path, name: str, text: str) -> str:
    """Write a history unless it is there already, beside those of the same case that earlier builds left."""
    there = recordings(folder, name)
    if any(_events(path.read_text()) == _events(text) for path in there):
        return "as recorded before"
    path = folder / (f"{name}-{len(there) + 1}.json" if there else f"{name}.json")
    path.write_text(text)
    return f"{path.name}, {text.count(chr(10)) - 2} events"


def _events(text: str) -> str:
    """Without the first line: run ids change with the number of types that are registered before."""
    return text.partition("\n")[2]


def recordings(folder: pathlib.Path, name: str) -> list[pathlib.Path]:
    """What is recorded of a case: once, and once more for each build that took another course."""
    return [path for path in sorted(folder.glob("*.json")) if case_of(path) == name]


def case_of(path: pathlib.Path) -> str:
    """The case that a file is a recording of."""
    return path.stem.rpartition("-")[0] or path.stem


if __name__ == "__main__":
    main(sys.argv[1:])
