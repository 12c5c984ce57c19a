-- Who has waited for whom and how long, in this database; the longest first.
SELECT waiting.pid, blocker.pid, blocker.application_name,
       extract(epoch FROM clock_timestamp() - coalesce(waiting.query_start, waiting.state_change))::int
  FROM pg_stat_activity AS waiting
 CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocking (pid)
  JOIN pg_stat_activity AS blocker ON blocker.pid = blocking.pid
 WHERE waiting.datname = current_database()
   AND clock_timestamp() - coalesce(waiting.query_start, waiting.state_change) >= make_interval(secs => %(seconds)s)
 ORDER BY 4 DESC, 1
