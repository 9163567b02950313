"""The reward's parts beside accuracy."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for part in ("synergy", "penalties"):
        op.add_column("rewards", sa.Column(part, sa.Double(), nullable=False, server_default="0"))


def downgrade() -> None:
    raise NotImplementedError("what agents earned is never taken away")
