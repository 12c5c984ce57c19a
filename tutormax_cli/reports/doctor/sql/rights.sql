-- What the current role may do: of how many of the tables there are, it owns, may read and may write, and whether it
-- may add to the admin log.
SELECT current_user, current_setting('is_superuser') = 'on',
       count(c.oid),
       count(*) FILTER (WHERE pg_has_role(c.relowner, 'USAGE')),
       count(*) FILTER (WHERE has_table_privilege(c.oid, 'SELECT')),
       count(*) FILTER (WHERE has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
                          AND has_table_privilege(c.oid, 'DELETE') AND c.relname <> 'alembic_version'),
       coalesce((SELECT has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(log.oid, 'command', 'INSERT')
                   FROM pg_class AS log JOIN pg_namespace AS n ON n.oid = log.relnamespace
                  WHERE n.nspname = 'tutormax_admin' AND log.relname = 'log'), false)
  FROM unnest(%(tables)s::text[]) AS ours (name)
  LEFT JOIN pg_namespace AS s ON s.nspname = %(schema)s
  LEFT JOIN pg_class AS c ON c.relnamespace = s.oid AND c.relname = ours.name
