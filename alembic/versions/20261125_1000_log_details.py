"""Details in the admin log: the id, size and file of a dump, and the result of its proof.

Revision ID: 20261125_1000
Revises: 20261122_1900
"""

from alembic import op

revision = "20261125_1000"
down_revision = "20261122_1900"
branch_labels = None
depends_on = None

# The log outlives downgrades, so the column may exist; and a restored backup may have no log.
COLUMN = "ALTER TABLE IF EXISTS tutormax_admin.log ADD COLUMN IF NOT EXISTS details jsonb"

# A role that may insert single columns, as the one of the application, needs this one too.
RIGHTS = """
DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT pg_catalog.format('GRANT INSERT (details) ON tutormax_admin.log TO %s%s',
                   CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.format('%I', r.rolname) END,
                   CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' END)
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'command'
        CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) acl
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = acl.grantee
        WHERE n.nspname = 'tutormax_admin' AND c.relname = 'log' AND acl.privilege_type = 'INSERT'
    LOOP
        EXECUTE statement;
    END LOOP;
END $$
"""


def upgrade() -> None:
    """Add the column, unless it exists from before a downgrade."""
    op.execute(COLUMN)
    op.execute(RIGHTS)


def downgrade() -> None:
    """Keep the column: the log outlives downgrades."""
