-- Open interventions whose due date has passed, the oldest first.
SELECT tutor_id, due_date, intervention_id
  FROM {schema}.interventions
 WHERE status IN ('pending', 'in_progress') AND due_date < %(now)s
 ORDER BY due_date, intervention_id
