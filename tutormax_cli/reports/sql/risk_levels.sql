-- Tutors and expected leavers per risk level and model, the newest day's of those still active, then the earlier day's.
SELECT p.risk_level, p.model_version,
       count(*) AS tutors,
       0 AS tutors_before,
       count(p.window_30day_probability) AS calibrated,
       0 AS calibrated_before,
       coalesce(sum(p.window_7day_probability), 0) AS leavers_7_days,
       coalesce(sum(p.window_30day_probability), 0) AS leavers_30_days,
       coalesce(sum(p.window_90day_probability), 0) AS leavers_90_days
  FROM {schema}.churn_predictions AS p
  JOIN active USING (tutor_id)
 WHERE p.prediction_date BETWEEN date_trunc('day', :latest, 'UTC') AND :latest
 GROUP BY p.risk_level, p.model_version
UNION ALL
SELECT risk_level, model_version, 0, count(*), 0, count(window_30day_probability), 0, 0, 0
  FROM {schema}.churn_predictions
 WHERE prediction_date BETWEEN date_trunc('day', :previous, 'UTC') AND :previous
 GROUP BY risk_level, model_version
