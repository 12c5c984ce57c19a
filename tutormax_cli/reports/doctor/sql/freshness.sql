-- The times of the newest session held until now, of the newest metrics and of the newest prediction: each one step
-- down an index.
SELECT (SELECT scheduled_start
          FROM {schema}.sessions
         WHERE scheduled_start <= %(now)s AND actual_start IS NOT NULL
         ORDER BY scheduled_start DESC
         LIMIT 1),
       (SELECT max(calculation_date) FROM {schema}.tutor_performance_metrics),
       (SELECT max(prediction_date) FROM {schema}.churn_predictions)
