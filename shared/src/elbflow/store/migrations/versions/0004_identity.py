"""Server certificates, accounts, users, roles, their policies, and temporary access keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _certificates()
    _identities()


def _certificates() -> None:
    op.create_table(
        "server_certificates",
        sa.Column("certificate_id", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("arn", sa.String(length=1024), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("chain", sa.Text(), nullable=True),
        sa.Column("encrypted_key", sa.LargeBinary(), nullable=False),
        sa.Column("uploaded_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("certificate_id", name=op.f("pk_server_certificates")),
        sa.UniqueConstraint("account", "name", name=op.f("uq_server_certificates_account")),
        sa.UniqueConstraint("arn", name=op.f("uq_server_certificates_arn")),
    )
    # The ARN of a certificate with a long path and a long name has some 700 characters.
    with op.batch_alter_table("listeners") as listeners:
        listeners.alter_column("certificate_arn", existing_type=sa.String(length=512), type_=sa.String(length=1024))
        listeners.create_index(op.f("ix_listeners_certificate_arn"), ["certificate_arn"])


def _identities() -> None:
    op.create_table(
        "accounts",
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("alias", sa.String(length=63), nullable=True),
        sa.Column("quotas", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_accounts")),
    )
    op.create_table(
        "principals",
        sa.Column("arn", sa.String(length=1024), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name=op.f("pk_principals")),
    )
    op.create_index(op.f("ix_principals_account"), "principals", ["account"], unique=False)
    op.create_table(
        "principal_policies",
        sa.Column("arn", sa.String(length=1024), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["arn"], ["principals.arn"], name=op.f("fk_principal_policies_arn"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("arn", "name", name=op.f("pk_principal_policies")),
    )
    with op.batch_alter_table("access_keys") as keys:
        keys.add_column(sa.Column("principal", sa.String(length=1024), nullable=True))
        keys.add_column(sa.Column("session_name", sa.String(length=64), nullable=True))
        keys.add_column(sa.Column("session_token", sa.String(length=512), nullable=True))
        keys.add_column(sa.Column("session_policy", sa.Text(), nullable=True))
        keys.add_column(sa.Column("expires_at", sa.Float(), nullable=True))
        keys.create_foreign_key(
            op.f("fk_access_keys_principal"), "principals", ["principal"], ["arn"], ondelete="CASCADE"
        )
        keys.create_index(op.f("ix_access_keys_principal"), ["principal"])
        keys.create_index(op.f("ix_access_keys_expires_at"), ["expires_at"])
        keys.create_index(op.f("ix_access_keys_account"), ["account", "expires_at"])
