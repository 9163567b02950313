"""How many rows a reward stands for, where declines hide the truth: figures over a window are divided by it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COUNTS = {"weight": "rows", "fraud_weight": "frauds", "caught_weight": "caught"}


def upgrade() -> None:
    for name in COUNTS:
        op.add_column("rewards", sa.Column(name, sa.Double(), nullable=False, server_default="0"))
    rewards = sa.table("rewards", *(sa.column(c) for pair in COUNTS.items() for c in pair))
    op.execute(rewards.update().values({name: rewards.c[count] for name, count in COUNTS.items()}))


def downgrade() -> None:
    raise NotImplementedError("what agents earned is never taken away")
