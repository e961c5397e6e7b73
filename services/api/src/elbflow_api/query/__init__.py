"""The AWS Query protocol, driven by botocore's ``elb`` model: parameters in, XML out, faults as AWS words them."""

from __future__ import annotations

from elbflow_api.query.faults import Fault, modelled, validation_error
from elbflow_api.query.model import (
    IAM,
    NAMESPACE,
    STS,
    Operation,
    find_operation,
    namespace,
    operation_names,
    operations,
)
from elbflow_api.query.parameters import read_pairs
from elbflow_api.query.request import parse
from elbflow_api.query.response import render_fault, render_result
from elbflow_api.query.values import Params, Response, Value

__all__ = [
    "IAM",
    "NAMESPACE",
    "STS",
    "Fault",
    "Operation",
    "Params",
    "Response",
    "Value",
    "find_operation",
    "modelled",
    "namespace",
    "operation_names",
    "operations",
    "parse",
    "read_pairs",
    "render_fault",
    "render_result",
    "validation_error",
]
