-- The newest prediction until as_of, the earlier one that it is compared with, how far recorded activity reaches, and
-- when the newest sessions were scheduled that had been held by as_of and by that prediction.
-- That earlier one is about a week older, or with since the newest of the week until then.
-- Each is one step down an index, however many predictions there are.
SELECT newest.latest,
       (SELECT max(prediction_date)
          FROM {schema}.churn_predictions
         WHERE prediction_date > coalesce(:since - interval '7 days', newest.latest - interval '14 days')
           AND prediction_date <= coalesce(:since, newest.latest - interval '6 days 12 hours')
           AND prediction_date < date_trunc('day', newest.latest, 'UTC')) AS previous,
       greatest(
         (SELECT scheduled_start
            FROM {schema}.sessions
           WHERE scheduled_start < :as_of AND actual_start < :as_of
           ORDER BY scheduled_start DESC
           LIMIT 1),
         (SELECT max(event_timestamp) FROM {schema}.tutor_events WHERE event_timestamp < :as_of)) AS data_until,
       (SELECT scheduled_start
          FROM {schema}.sessions
         WHERE scheduled_start < :as_of AND actual_start < :as_of
         ORDER BY scheduled_start DESC
         LIMIT 1) AS newest_session,
       (SELECT scheduled_start
          FROM {schema}.sessions
         WHERE scheduled_start < newest.latest AND actual_start < newest.latest
         ORDER BY scheduled_start DESC
         LIMIT 1) AS newest_predicted_from
  FROM (SELECT max(prediction_date) AS latest FROM {schema}.churn_predictions WHERE prediction_date <= :as_of) AS newest
