-- The constraints of our tables: whether each was checked against all rows, and whether it is switched on (of a foreign
-- key, the triggers that hold it).
SELECT conrelid::regclass::text, conname, convalidated,
       NOT EXISTS (SELECT FROM pg_trigger WHERE tgconstraint = c.oid AND tgenabled IN ('D', 'R'))
  FROM pg_constraint AS c
 WHERE conrelid IN (SELECT to_regclass(quote_ident(name)) FROM unnest(%(tables)s::text[]) AS name)
   AND contype <> 'n'
 ORDER BY 1, 2
