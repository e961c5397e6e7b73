"""The two operations between VMs, their cloud and IAM, which AWS's model does not have (spec/vm-agent-data-plane 7)."""

from __future__ import annotations

from collections.abc import Mapping

from elbflow_api import query
from elbflow_api.query import model

DOWNLOAD = "DownloadServerCertificate"
SIGN = "SignCertificate"

_LONGEST_TEXT = 64 * 1024


def _text(*, required: bool, longest: int = _LONGEST_TEXT) -> model.Member:
    return model.Member(model.Scalar(model.Kind.STRING, 1, longest, secret=True), required)


def _operation(name: str, given: Mapping[str, model.Member], answered: tuple[str, ...]) -> query.Operation:
    return query.Operation(
        name=name,
        input=model.Structure(given),
        output=model.Structure({each: _text(required=False) for each in answered}),
        result_wrapper=f"{name}Result",
        namespace=query.namespace(query.IAM),
    )


_download = _operation(
    DOWNLOAD,
    {
        "CertificateArn": model.Member(model.Scalar(model.Kind.STRING, 1, 2048), required=True),
        "DelegationCertificate": _text(required=True),
        "AuthSignature": _text(required=True),
        # A fault of its own says when these are missing (spec 7.5, check 3).
        "Timestamp": _text(required=False, longest=64),
        "Signature": _text(required=False),
        "ExchangeVersion": _text(required=False, longest=8),
        "Nonce": _text(required=False, longest=64),
        "BoundSignature": _text(required=False),
    },
    ("CertificateArn", "ServerCertificate", "ServerPk", "Signature", "ExchangeVersion"),
)
_sign = _operation(
    SIGN,
    {
        "Principal": model.Member(model.Scalar(model.Kind.STRING, 1, 64), required=True),
        "Key": _text(required=True),
        "Days": model.Member(model.Scalar(model.Kind.INTEGER, 1, 3650), required=False),
        "Original": model.Member(model.Scalar(model.Kind.BOOLEAN), required=False),
    },
    ("Certificate", "IamCertificate"),
)

OPERATIONS: Mapping[str, query.Operation] = {_download.name: _download, _sign.name: _sign}
"""By name. They are looked for before the model's."""
