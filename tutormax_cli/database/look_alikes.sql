-- What roles other than ours, the database's owner and superusers own that a statement can call: in one schema, or in
-- all but the system's. Row types of tables are left out: nothing calls them without a function, operator or cast.
WITH trusted AS (
    SELECT oid FROM pg_roles WHERE rolsuper OR rolname = current_user
    UNION
    SELECT datdba FROM pg_database WHERE datname = current_database()
),
chosen AS (
    SELECT oid, nspname, quote_ident(nspname) AS name FROM pg_namespace
    WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'
      AND (%(schema)s::name IS NULL OR nspname = %(schema)s::name)
)
SELECT s.nspname,
       CASE p.prokind WHEN 'a' THEN 'aggregate ' WHEN 'p' THEN 'procedure ' ELSE 'function ' END
           || s.name || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')',
       pg_get_userbyid(p.proowner),
       EXISTS (SELECT 1 FROM pg_proc AS own
                WHERE own.pronamespace = 'pg_catalog'::regnamespace AND own.proname = p.proname),
       'DROP ' || CASE p.prokind WHEN 'a' THEN 'AGGREGATE ' WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END
           || s.name || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ');'
  FROM pg_proc AS p JOIN chosen AS s ON s.oid = p.pronamespace
 WHERE p.proowner NOT IN (SELECT oid FROM trusted)
UNION ALL
SELECT s.nspname,
       'operator ' || s.name || '.' || o.oprname || ' ('
           || coalesce(format_type(nullif(o.oprleft, 0), NULL), 'NONE') || ', ' || format_type(o.oprright, NULL) || ')',
       pg_get_userbyid(o.oprowner),
       EXISTS (SELECT 1 FROM pg_operator AS own
                WHERE own.oprnamespace = 'pg_catalog'::regnamespace AND own.oprname = o.oprname),
       'DROP OPERATOR ' || s.name || '.' || o.oprname || ' ('
           || coalesce(format_type(nullif(o.oprleft, 0), NULL), 'NONE') || ', ' || format_type(o.oprright, NULL) || ');'
  FROM pg_operator AS o JOIN chosen AS s ON s.oid = o.oprnamespace
 WHERE o.oprowner NOT IN (SELECT oid FROM trusted)
UNION ALL
SELECT s.nspname, 'type ' || s.name || '.' || quote_ident(t.typname), pg_get_userbyid(t.typowner),
       EXISTS (SELECT 1 FROM pg_type AS own
                WHERE own.typnamespace = 'pg_catalog'::regnamespace AND own.typname = t.typname),
       CASE t.typtype WHEN 'd' THEN 'DROP DOMAIN ' ELSE 'DROP TYPE ' END || s.name || '.' || quote_ident(t.typname) || ';'
  FROM pg_type AS t JOIN chosen AS s ON s.oid = t.typnamespace LEFT JOIN pg_class AS c ON c.oid = t.typrelid
 WHERE t.typowner NOT IN (SELECT oid FROM trusted)
   AND t.typtype <> 'm' AND t.typcategory <> 'A' AND (t.typtype <> 'c' OR c.relkind = 'c')
UNION ALL
SELECT s.nspname,
       'cast (' || format_type(k.castsource, NULL) || ' AS ' || format_type(k.casttarget, NULL) || ')',
       pg_get_userbyid(holder.owner), true,
       'DROP CAST (' || format_type(k.castsource, NULL) || ' AS ' || format_type(k.casttarget, NULL) || ');'
  FROM pg_cast AS k
  JOIN LATERAL (
           SELECT p.pronamespace AS namespace, p.proowner AS owner FROM pg_proc AS p WHERE p.oid = k.castfunc
           UNION
           SELECT t.typnamespace, t.typowner FROM pg_type AS t WHERE t.oid IN (k.castsource, k.casttarget)
       ) AS holder ON holder.owner NOT IN (SELECT oid FROM trusted)
  JOIN chosen AS s ON s.oid = holder.namespace
ORDER BY 4 DESC, 1, 2
