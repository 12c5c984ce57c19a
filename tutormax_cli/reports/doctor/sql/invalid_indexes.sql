SELECT indexrelid::regclass::text
  FROM pg_index
 WHERE indrelid IN (SELECT to_regclass(quote_ident(name)) FROM unnest(%(tables)s::text[]) AS name)
   AND NOT (indisvalid AND indisready)
 ORDER BY 1
