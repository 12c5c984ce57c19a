-- The tutors to show. First the highest scores from min_score up, then, ranked apart, the highest among the
-- silent, who held no session in the 7 days before latest, though some were booked or earlier ones held.
WITH last_week AS (
  SELECT tutor_id, count(*) AS booked, bool_or(actual_start < :latest) AS held_one
    FROM {schema}.sessions
   WHERE scheduled_start >= :latest - interval '7 days' AND scheduled_start < :latest
   GROUP BY tutor_id
),
standing AS (
  SELECT active.*, p.churn_score, p.risk_level, p.window_7day_probability, p.window_30day_probability,
         p.window_90day_probability, p.contributing_factors, coalesce(last_week.booked, 0) AS booked_last_7_days,
         last_week.held_one IS NOT TRUE AND (
           last_week.tutor_id IS NOT NULL
           -- A scalar subquery, not EXISTS: that one may be turned into a hash of all sessions ever held.
           OR (SELECT true FROM {schema}.sessions AS earlier
                WHERE earlier.tutor_id = active.tutor_id AND earlier.scheduled_start < :latest
                  AND earlier.actual_start < :latest
                LIMIT 1) IS TRUE) AS silent
    FROM active
    LEFT JOIN {schema}.churn_predictions AS p
      ON p.tutor_id = active.tutor_id AND p.prediction_date BETWEEN date_trunc('day', :latest, 'UTC') AND :latest
    LEFT JOIN last_week ON last_week.tutor_id = active.tutor_id
   WHERE (:level IS NULL OR p.risk_level = :level)
     AND (:subject IS NULL OR lower(:subject) IN (SELECT lower(s) FROM unnest(active.subjects) AS s))
),
ranked AS (
  SELECT *, count(*) OVER whole AS matching, row_number() OVER best_first AS rank
    FROM standing
   WHERE silent OR churn_score >= :min_score
  WINDOW whole AS (PARTITION BY silent),
         best_first AS (PARTITION BY silent
                        ORDER BY churn_score DESC NULLS LAST, window_30day_probability DESC NULLS LAST, tutor_id)
),
shown AS MATERIALIZED (
  SELECT * FROM ranked WHERE rank <= :limit
)
SELECT shown.*, before.churn_score AS previous_score, work.last_session, work.booked_next_7_days,
       standard.performance_tier, task.intervention_type AS open_intervention,
       task.assigned_to AS intervention_owner, task.due_date AS intervention_due
  FROM shown
  LEFT JOIN LATERAL (
         SELECT earlier.churn_score
           FROM {schema}.churn_predictions AS earlier
          WHERE earlier.tutor_id = shown.tutor_id
            AND earlier.prediction_date > coalesce(:since - interval '7 days', :latest - interval '14 days')
            AND earlier.prediction_date <= coalesce(:since, :latest - interval '6 days 12 hours')
            AND earlier.prediction_date < date_trunc('day', :latest, 'UTC')
          ORDER BY earlier.prediction_date DESC
          LIMIT 1) AS before ON true
  LEFT JOIN LATERAL (
         SELECT max(scheduled_start) FILTER (WHERE scheduled_start < :latest AND actual_start < :latest) AS last_session,
                count(*) FILTER (WHERE scheduled_start >= :latest AND scheduled_start < :latest + interval '7 days')
                  AS booked_next_7_days
           FROM {schema}.sessions
          WHERE sessions.tutor_id = shown.tutor_id) AS work ON true
  LEFT JOIN LATERAL (
         SELECT performance_tier
           FROM {schema}.tutor_performance_metrics AS metric
          WHERE metric.tutor_id = shown.tutor_id AND metric."window" = '30day' AND metric.calculation_date <= :latest
            AND (metric.calculation_date AT TIME ZONE 'UTC')::date <= (:latest AT TIME ZONE 'UTC')::date
          ORDER BY (metric.calculation_date AT TIME ZONE 'UTC')::date DESC
          LIMIT 1) AS standard ON true
  LEFT JOIN LATERAL (
         SELECT intervention_type, assigned_to, due_date
           FROM {schema}.interventions AS task
          WHERE task.tutor_id = shown.tutor_id AND task.recommended_date <= :latest
            AND (task.status IN ('pending', 'in_progress') OR task.completed_date > :latest)
          ORDER BY task.due_date NULLS LAST, task.recommended_date, task.intervention_id
          LIMIT 1) AS task ON true
