-- Schemas in which every role may create things.
SELECT quote_ident(nspname)
  FROM pg_namespace
 WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND has_schema_privilege('public', oid, 'CREATE')
 ORDER BY nspname <> %(schema)s, nspname
