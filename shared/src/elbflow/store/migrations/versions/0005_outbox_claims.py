"""Until when an undelivered order belongs to one process; on SQLite ids of orders are not used again from now on.

On PostgreSQL numbers of VMs' reports get room beyond the year 2038; SQLite's have it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    claimed_until = sa.Column("claimed_until", sa.Float(), nullable=False, server_default="0")
    if op.get_bind().dialect.name != "sqlite":  # sequences never go back
        op.add_column("outbox", claimed_until)
        op.alter_column("vms", "metrics_sequence", existing_type=sa.Integer(), type_=sa.BigInteger())
        return
    with op.batch_alter_table("outbox", recreate="always", table_kwargs={"sqlite_autoincrement": True}) as outbox:
        outbox.add_column(claimed_until)
