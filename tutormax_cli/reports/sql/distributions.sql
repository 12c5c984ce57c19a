-- How many rows have each value: people by status, feedback by rating (what was submitted before known_before), and, as
-- they stood at as_of, the newest day's 30-day tiers and risk levels.
SELECT 'status' AS of_what, status AS value, count(*) AS rows
  FROM people
 GROUP BY status
UNION ALL
SELECT 'rating', overall_rating::text, count(*)
  FROM {schema}.student_feedback
 WHERE submitted_at < :known_before
 GROUP BY overall_rating
UNION ALL
SELECT 'tier', performance_tier, count(*)
  FROM {schema}.tutor_performance_metrics,
       (SELECT max(calculation_date) AS latest
          FROM {schema}.tutor_performance_metrics
         WHERE "window" = '30day' AND calculation_date <= :as_of) AS newest
 WHERE "window" = '30day' AND performance_tier IS NOT NULL
   AND calculation_date BETWEEN date_trunc('day', latest, 'UTC') AND latest
 GROUP BY performance_tier
UNION ALL
SELECT 'level', risk_level, count(*)
  FROM {schema}.churn_predictions,
       (SELECT max(prediction_date) AS latest FROM {schema}.churn_predictions WHERE prediction_date <= :as_of) AS newest
 WHERE prediction_date BETWEEN date_trunc('day', latest, 'UTC') AND latest
 GROUP BY risk_level
