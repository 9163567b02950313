"""Where an agent came from and what it may see; on PostgreSQL the ledger can't be emptied at once either."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agents", sa.Column("origin", sa.String(16), nullable=False, server_default="trained"))
    op.add_column("agents", sa.Column("visible", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("agents", sa.Column("added_by", sa.String(200), nullable=False, server_default=""))
    op.add_column("agents", sa.Column("why", sa.Text(), nullable=False, server_default=""))
    if op.get_bind().dialect.name == "postgresql":  # SQLite has no TRUNCATE: its DELETE fires the trigger there is
        op.execute(
            "CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only()"
        )


def downgrade() -> None:
    raise NotImplementedError("the ledger is never taken away")
