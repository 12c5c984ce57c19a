-- The constraints of our tables: whether each was checked against all rows, and whether it is switched on (of a foreign
-- key, the triggers that hold it).
SELECT t.relname, conname, convalidated,
       NOT EXISTS (SELECT 1 FROM pg_trigger WHERE tgconstraint = c.oid AND tgenabled IN ('D', 'R'))
  FROM pg_constraint AS c
  JOIN pg_class AS t ON t.oid = c.conrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
 WHERE n.nspname = %(schema)s AND t.relname = ANY (%(tables)s)
   AND contype <> 'n'
 ORDER BY 1, 2
