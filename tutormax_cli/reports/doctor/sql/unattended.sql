-- Active tutors whose prediction of the newest day scores at least so much and who have no open intervention.
SELECT tutors.tutor_id, newest.churn_score
  FROM {schema}.churn_predictions AS newest
  JOIN {schema}.tutors ON tutors.tutor_id = newest.tutor_id
 WHERE newest.prediction_date >= (SELECT date_trunc('day', max(prediction_date), 'UTC') FROM {schema}.churn_predictions)
   AND newest.churn_score >= %(score)s
   AND tutors.status = 'active'
   AND NOT EXISTS (SELECT 1 FROM {schema}.interventions AS task
                    WHERE task.tutor_id = newest.tutor_id AND task.status IN ('pending', 'in_progress'))
 ORDER BY newest.churn_score DESC, tutors.tutor_id
