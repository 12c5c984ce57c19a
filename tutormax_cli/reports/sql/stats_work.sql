-- Sessions booked, held and missed, and their ratings, by subject and week: the 12 weeks before as_of, week 0 being the
-- last.
SELECT session.subject,
       ceil(date_part('epoch', :as_of - session.scheduled_start) / 604800)::int - 1 AS weeks_ago,
       count(*) AS booked,
       count(*) FILTER (WHERE session.actual_start < :as_of) AS held,
       count(*) FILTER (WHERE session.no_show) AS missed,
       coalesce(sum(feedback.overall_rating), 0) AS rating,
       count(feedback.overall_rating) AS rated
  FROM {schema}.sessions AS session
  LEFT JOIN {schema}.student_feedback AS feedback
    ON feedback.tutor_id = session.tutor_id AND feedback.session_id = session.session_id
   AND feedback.submitted_at < :as_of
 WHERE session.scheduled_start >= :as_of - interval '84 days' AND session.scheduled_start < :as_of
 GROUP BY session.subject, weeks_ago
