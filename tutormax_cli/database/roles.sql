-- Least-privilege roles for the TutorMax database {database}. Safe to run again.
--   {owner}: owns everything; migrates, seeds and restores
--   {app}: reads and writes rows and adds to the admin log; no DDL, no TRUNCATE
--   {readonly}: reads rows, and nothing of the admin log
-- None of them can log in. Grant them to the roles of people and programs:
--   GRANT {app} TO web;

SET LOCAL lock_timeout = '5s';
SET LOCAL search_path = pg_catalog, pg_temp;

DO $do$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[{owner_literal}, {app_literal}, {readonly_literal}] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
END $do$;

-- Whoever owned the database or a table until now, and whoever runs this, keeps those rights as a member.
DO $do$
DECLARE
    former text;
BEGIN
    FOR former IN
        SELECT rolname FROM pg_roles
        WHERE (rolname = current_user
            OR oid IN (SELECT datdba FROM pg_database WHERE datname = current_database())
            OR oid IN (SELECT c.relowner FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                       WHERE n.nspname = {schema_literal} AND c.relname = ANY ({tables_literal})))
          AND rolname <> {owner_literal} AND NOT pg_has_role(oid, {owner_literal}, 'USAGE')
    LOOP
        EXECUTE format('GRANT %I TO %I', {owner_literal}, former);
    END LOOP;
END $do$;

-- Roles of these names may have been there before: with more rights than this gives them, nothing here would hold.
DO $do$
DECLARE
    taken text;
BEGIN
    SELECT string_agg(rolname, ', ') INTO taken FROM pg_roles
    WHERE (rolname IN ({app_literal}, {readonly_literal})
           AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
                OR pg_has_role(oid, {owner_literal}, 'MEMBER')))
       OR (rolname = {readonly_literal} AND pg_has_role(oid, {app_literal}, 'MEMBER'));
    IF taken IS NOT NULL THEN
        RAISE EXCEPTION 'role % exists and may do more than it should (an attribute, or what it is a member of)', taken;
    END IF;
END $do$;

GRANT USAGE, CREATE ON SCHEMA {schema} TO {owner};
ALTER DATABASE {database} OWNER TO {owner};
{owned}
ALTER SCHEMA tutormax_admin OWNER TO {owner};
ALTER TABLE tutormax_admin.log OWNER TO {owner};
ALTER FUNCTION tutormax_admin.refuse() OWNER TO {owner};

-- Nobody has a right for being just anybody.
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC;
REVOKE ALL ON SCHEMA tutormax_admin FROM PUBLIC, {app}, {readonly};
REVOKE ALL ON {tables}, {version_table}, tutormax_admin.log FROM PUBLIC, {app}, {readonly};

-- TEMPORARY: the evaluation keeps what it measures in a temporary table.
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {app};
GRANT CONNECT ON DATABASE {database} TO {readonly};
GRANT USAGE ON SCHEMA {schema} TO {app}, {readonly};
GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {app};
GRANT SELECT ON {tables} TO {readonly};
GRANT SELECT ON {version_table} TO {app}, {readonly};
-- The other columns of the log (when, which role, from where) are filled by the server alone.
GRANT USAGE ON SCHEMA tutormax_admin TO {app};
GRANT INSERT ({log_columns}) ON tutormax_admin.log TO {app};

-- Tables of revisions to come.
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
    GRANT SELECT ON TABLES TO {readonly};
