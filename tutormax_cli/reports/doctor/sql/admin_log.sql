-- Whether the admin log exists, and whether the trigger that guards it always fires.
SELECT count(c.oid) > 0, coalesce(bool_and(t.tgenabled = 'A'), false)
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_trigger AS t ON t.tgrelid = c.oid AND t.tgname = 'append_only'
 WHERE n.nspname = 'tutormax_admin' AND c.relname = 'log'
