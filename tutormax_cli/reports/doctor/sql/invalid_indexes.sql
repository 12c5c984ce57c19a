SELECT quote_ident(n.nspname) || '.' || quote_ident(i.relname)
  FROM pg_index
  JOIN pg_class AS i ON i.oid = indexrelid
  JOIN pg_class AS t ON t.oid = indrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
 WHERE n.nspname = %(schema)s AND t.relname = ANY (%(tables)s)
   AND NOT (indisvalid AND indisready)
 ORDER BY 1
