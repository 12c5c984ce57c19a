-- The newest dump in the admin log: when it was made, and its file; the result and the time of its newest proof; and
-- when a dump was last proved.
SELECT dump.at, dump.details -> 'dump' ->> 'file', proof.details -> 'proof' ->> 'result', proof.at,
       (SELECT max(at) FROM tutormax_admin.log WHERE details -> 'proof' ->> 'result' = 'proved')
  FROM tutormax_admin.log AS dump
  LEFT JOIN LATERAL (
      SELECT details, at FROM tutormax_admin.log
       WHERE details -> 'proof' ->> 'id' = dump.details -> 'dump' ->> 'id'
       ORDER BY id DESC LIMIT 1
  ) AS proof ON true
 WHERE dump.details ? 'dump'
 ORDER BY dump.id DESC
 LIMIT 1
