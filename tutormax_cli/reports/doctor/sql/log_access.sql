-- Whether the current role may read the admin log, if there is one that has details (older revisions lack them).
SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'details' AND NOT a.attisdropped
 WHERE n.nspname = 'tutormax_admin' AND c.relname = 'log'
