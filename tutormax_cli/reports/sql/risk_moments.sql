-- The newest prediction until as_of, the one about a week before it, and how far recorded activity reaches.
-- Each is one step down an index, however many predictions there are.
SELECT newest.latest,
       (SELECT max(prediction_date)
          FROM churn_predictions
         WHERE prediction_date > newest.latest - interval '14 days'
           AND prediction_date <= newest.latest - interval '6 days 12 hours') AS previous,
       greatest(
         (SELECT scheduled_start
            FROM sessions
           WHERE scheduled_start < :as_of AND actual_start IS NOT NULL
           ORDER BY scheduled_start DESC
           LIMIT 1),
         (SELECT max(event_timestamp) FROM tutor_events WHERE event_timestamp < :as_of)) AS data_until
  FROM (SELECT max(prediction_date) AS latest FROM churn_predictions WHERE prediction_date <= :as_of) AS newest
