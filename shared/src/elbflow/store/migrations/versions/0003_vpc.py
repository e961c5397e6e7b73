"""Load balancers in a VPC: subnets of their zones, and security groups."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("load_balancers", sa.Column("vpc_id", sa.String(length=64), nullable=True))
    op.add_column("load_balancers", sa.Column("security_groups", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("zones", sa.Column("subnet_id", sa.String(length=64), nullable=True))
