"""Policies of back ends by instance port."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("load_balancers", sa.Column("backend_policies", sa.JSON(), nullable=False, server_default="[]"))
