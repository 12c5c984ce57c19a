-- Sessions of this database that have slept in a transaction for so many seconds, the longest first.
SELECT pid, usename, application_name, extract(epoch FROM clock_timestamp() - state_change)::int
  FROM pg_stat_activity
 WHERE datname = current_database() AND state LIKE 'idle in transaction%%'
   AND clock_timestamp() - state_change >= make_interval(secs => %(seconds)s)
 ORDER BY 4 DESC, 1
