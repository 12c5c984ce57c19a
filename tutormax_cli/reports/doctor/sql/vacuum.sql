-- Tables with many dead rows, and tables of some size that were never analyzed; the worst first.
WITH ours AS (
  SELECT relname, n_dead_tup, n_live_tup, greatest(last_vacuum, last_autovacuum)::date AS vacuumed,
         coalesce(last_analyze, last_autoanalyze) AS analyzed
    FROM pg_stat_user_tables
   WHERE schemaname = %(schema)s AND relname = ANY (%(tables)s)
)
SELECT relname, n_dead_tup, n_live_tup, vacuumed, 'dead'
  FROM ours
 WHERE n_dead_tup > %(dead)s + %(share)s * n_live_tup
 UNION ALL
SELECT relname, n_dead_tup, n_live_tup, vacuumed, 'unknown'
  FROM ours
 WHERE analyzed IS NULL AND n_live_tup > %(live)s
 ORDER BY 5, 2 DESC, 3 DESC
