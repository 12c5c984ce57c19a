-- One tutor's sessions booked and held and their mean rating in each of the 12 weeks before latest, week 0 being the last.
SELECT ceil(extract(epoch FROM :latest - session.scheduled_start) / 604800)::int - 1 AS weeks_ago,
       count(*) AS booked,
       count(*) FILTER (WHERE session.actual_start < :latest) AS sessions,
       avg(feedback.overall_rating)::float8 AS rating
  FROM {schema}.sessions AS session
  LEFT JOIN {schema}.student_feedback AS feedback
    ON feedback.tutor_id = session.tutor_id AND feedback.session_id = session.session_id
   AND feedback.submitted_at < :latest
 WHERE session.tutor_id = :tutor_id
   AND session.scheduled_start >= :latest - interval '84 days' AND session.scheduled_start < :latest
 GROUP BY weeks_ago
