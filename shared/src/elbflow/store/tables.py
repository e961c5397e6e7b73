"""Tables of the store (spec/elb-control-plane section 2, in the form design section 6 needs).

Times are seconds since the epoch. ``generation`` counts the desired states of a load balancer; each VM row says which
one it serves.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _load_balancer_id() -> sa.Column[int]:
    return sa.Column(
        "load_balancer_id",
        sa.Integer,
        sa.ForeignKey("load_balancers.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )


access_keys = sa.Table(
    "access_keys",
    metadata,
    sa.Column("access_key_id", sa.String(128), primary_key=True),
    sa.Column("secret_access_key", sa.String(128), nullable=False),
    sa.Column("account", sa.String(12), nullable=False),
    sa.Column("admin", sa.Boolean, nullable=False, default=False),
    sa.Column(
        "principal", sa.String(1024), sa.ForeignKey("principals.arn", ondelete="CASCADE"), nullable=True, index=True
    ),
    sa.Column("session_name", sa.String(64), nullable=True),
    sa.Column("session_token", sa.String(512), nullable=True),
    sa.Column("session_policy", sa.Text, nullable=True),
    sa.Column("expires_at", sa.Float, nullable=True, index=True),
    sa.Index("ix_access_keys_account", "account", "expires_at"),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account", sa.String(12), primary_key=True),
    sa.Column("alias", sa.String(63), nullable=True),
    sa.Column("quotas", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

principals = sa.Table(
    "principals",
    metadata,
    sa.Column("arn", sa.String(1024), primary_key=True),
    sa.Column("account", sa.String(12), nullable=False, index=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

principal_policies = sa.Table(
    "principal_policies",
    metadata,
    sa.Column("arn", sa.String(1024), sa.ForeignKey("principals.arn", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)

server_certificates = sa.Table(
    "server_certificates",
    metadata,
    sa.Column("certificate_id", sa.String(32), primary_key=True),
    sa.Column("account", sa.String(12), nullable=False),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("path", sa.String(512), nullable=False),
    sa.Column("arn", sa.String(1024), nullable=False, unique=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("chain", sa.Text, nullable=True),
    sa.Column("encrypted_key", sa.LargeBinary, nullable=False),
    sa.Column("uploaded_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.UniqueConstraint("account", "name"),
)

load_balancers = sa.Table(
    "load_balancers",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("account", sa.String(12), nullable=False),
    sa.Column("name", sa.String(32), nullable=False),
    sa.Column("name_lower", sa.String(32), nullable=False),
    sa.Column("dns_name", sa.String(255), nullable=False),
    sa.Column("scheme", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.Column("health_check", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("vpc_id", sa.String(64), nullable=True),
    sa.Column("security_groups", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("backend_policies", sa.JSON, nullable=False, server_default="[]"),
    sa.UniqueConstraint("account", "name_lower"),
)

listeners = sa.Table(
    "listeners",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _load_balancer_id(),
    sa.Column("protocol", sa.String(8), nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("instance_protocol", sa.String(8), nullable=False),
    sa.Column("instance_port", sa.Integer, nullable=False),
    sa.Column("certificate_arn", sa.String(1024), nullable=True, index=True),
    sa.Column("policy_names", sa.JSON, nullable=False),
    sa.UniqueConstraint("load_balancer_id", "port"),
)

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _load_balancer_id(),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("type_name", sa.String(64), nullable=False),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.UniqueConstraint("load_balancer_id", "name"),
)

zones = sa.Table(
    "zones",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _load_balancer_id(),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("subnet_id", sa.String(64), nullable=True),
    sa.UniqueConstraint("load_balancer_id", "name"),
)

backends = sa.Table(
    "backends",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _load_balancer_id(),
    sa.Column("instance_id", sa.String(64), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("zone", sa.String(64), nullable=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason_code", sa.String(16), nullable=False),
    sa.Column("description", sa.String(512), nullable=False),
    sa.Column("registered_at", sa.Float, nullable=False),
    sa.Column("reported_at", sa.Float, nullable=True),
    sa.UniqueConstraint("load_balancer_id", "instance_id"),
)

tags = sa.Table(
    "tags",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _load_balancer_id(),
    sa.Column("key", sa.String(128), nullable=False),
    sa.Column("value", sa.String(256), nullable=False),
    sa.UniqueConstraint("load_balancer_id", "key"),
)

vms = sa.Table(
    "vms",
    metadata,
    sa.Column("instance_id", sa.String(64), primary_key=True),
    sa.Column(
        "load_balancer_id",
        sa.Integer,
        sa.ForeignKey("load_balancers.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("zone", sa.String(64), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("launched_at", sa.Float, nullable=False),
    sa.Column("applied_generation", sa.Integer, nullable=False, default=0),
    sa.Column("applied_hash", sa.String(64), nullable=False, default=""),
    sa.Column("problems", sa.JSON, nullable=False),
    sa.Column("reported_at", sa.Float, nullable=True),
    sa.Column("failures", sa.Integer, nullable=False, default=0),
    sa.Column("failure_window_at", sa.Float, nullable=True),
    sa.Column("failed_at", sa.Float, nullable=True),
    # VMs count on from the seconds since the epoch.
    sa.Column("metrics_sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=True),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("workflow_id", sa.String(256), nullable=False),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("claimed_until", sa.Float, nullable=False, server_default="0"),
    # Whoever removes an order late must not meet another one under its id.
    sqlite_autoincrement=True,
)

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("account", sa.String(12), primary_key=True),
    sa.Column("instance_id", sa.String(64), primary_key=True),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("zone", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
)

cloud_resources = sa.Table(
    "cloud_resources",
    metadata,
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("data", sa.JSON, nullable=False),
)

datapoints = sa.Table(
    "datapoints",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("account", sa.String(12), nullable=False),
    sa.Column("namespace", sa.String(255), nullable=False),
    sa.Column("metric", sa.String(255), nullable=False),
    sa.Column("dimensions", sa.JSON, nullable=False),
    sa.Column("unit", sa.String(32), nullable=False),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("sample_count", sa.Float, nullable=False),
    sa.Column("total", sa.Float, nullable=False),
    sa.Column("minimum", sa.Float, nullable=False),
    sa.Column("maximum", sa.Float, nullable=False),
)
