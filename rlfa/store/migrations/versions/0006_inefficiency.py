"""The third part of the reward."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rewards", sa.Column("inefficiency", sa.Double(), nullable=False, server_default="0"))


def downgrade() -> None:
    raise NotImplementedError("what agents earned is never taken away")
