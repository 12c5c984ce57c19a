"""The admin log: who changed what with which command, in a schema of its own, to which rows can only be added.

Revision ID: 20261122_1900
Revises: 20251107_0000
"""

from alembic import op

revision = "20261122_1900"
down_revision = "20251107_0000"
branch_labels = None
depends_on = None

# CREATE SCHEMA IF NOT EXISTS asks for the right to create one even where it exists.
SCHEMA = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'tutormax_admin') THEN
        CREATE SCHEMA tutormax_admin;
    END IF;
END $$
"""

# Whoever owned a log that was here before us could change its entries, and have code of his run by all who add to it.
OWNER = """
DO $$
DECLARE
    owner text;
BEGIN
    SELECT string_agg(DISTINCT rolname, ', ') INTO owner FROM pg_catalog.pg_roles
    WHERE oid IN (SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = 'tutormax_admin'
                  UNION SELECT relowner FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace('tutormax_admin')
                  UNION SELECT proowner FROM pg_catalog.pg_proc WHERE pronamespace = to_regnamespace('tutormax_admin'))
      AND NOT rolsuper AND rolname <> current_user
      AND oid NOT IN (SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database()
                      UNION SELECT relowner FROM pg_catalog.pg_class WHERE oid = to_regclass('alembic_version'));
    IF owner IS NOT NULL THEN
        RAISE EXCEPTION USING MESSAGE = 'schema tutormax_admin is there already and belongs to ' || owner;
    END IF;
END $$
"""

# What the server knows by itself stands in defaults: a role with the right to insert the other columns can't forge it.
TABLE = """
CREATE TABLE IF NOT EXISTS tutormax_admin.log (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_log PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    role text NOT NULL DEFAULT session_user,
    address inet DEFAULT inet_client_addr(),
    application text NOT NULL DEFAULT current_setting('application_name'),
    os_user text,
    host text,
    command text NOT NULL,
    target text NOT NULL,
    revision text,
    rows jsonb NOT NULL DEFAULT '{}',
    seconds double precision NOT NULL,
    outcome text NOT NULL CONSTRAINT ck_log_outcome CHECK (outcome IN ('done', 'failed', 'interrupted')),
    exit_code smallint NOT NULL,
    sqlstate text,
    version text NOT NULL
)
"""

REFUSAL = """
CREATE OR REPLACE FUNCTION tutormax_admin.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the admin log can only be added to' USING ERRCODE = 'insufficient_privilege';
END $$
"""

# ALWAYS: a session that plays the replica, as a restore may, doesn't get past it either.
TRIGGER = """
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tutormax_admin.log
    FOR EACH STATEMENT EXECUTE FUNCTION tutormax_admin.refuse()
"""
ALWAYS = "ALTER TABLE tutormax_admin.log ENABLE ALWAYS TRIGGER append_only"


def upgrade() -> None:
    """Make the log, unless it is there from before a downgrade."""
    for statement in (SCHEMA, OWNER, TABLE, REFUSAL, TRIGGER, ALWAYS):
        op.execute(statement)


def downgrade() -> None:
    """Leave the log where it is: one that a downgrade erases wouldn't be one."""
