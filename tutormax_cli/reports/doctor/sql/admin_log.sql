-- Whether the admin log exists, whether its trigger is ours (before every UPDATE, DELETE and TRUNCATE, and it raises),
-- and whether that always fires.
SELECT count(c.oid) > 0,
       coalesce(bool_and(t.tgtype = 2 + 8 + 16 + 32 AND t.tgqual IS NULL AND cardinality(t.tgattr) = 0
                         AND p.prosrc ~ '^\s*BEGIN\s+RAISE EXCEPTION ''the admin log can only be added to'''), false),
       coalesce(bool_and(t.tgenabled = 'A'), false)
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_trigger AS t ON t.tgrelid = c.oid AND t.tgname = 'append_only'
  LEFT JOIN pg_proc AS p ON p.oid = t.tgfoid
 WHERE n.nspname = 'tutormax_admin' AND c.relname = 'log'
