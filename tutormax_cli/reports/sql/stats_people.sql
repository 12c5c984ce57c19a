-- Tutors who joined and who left in each of the 12 weeks before as_of, and by subject those active and those who left.
SELECT 'joined' AS of_what, NULL AS subject,
       ceil(date_part('epoch', :as_of - onboarding_date) / 604800)::int - 1 AS weeks_ago, count(*) AS tutors
  FROM people
 WHERE onboarding_date >= :as_of - interval '84 days' AND onboarding_date < :as_of
 GROUP BY weeks_ago
UNION ALL
SELECT 'left', NULL, ceil(date_part('epoch', :as_of - left_at) / 604800)::int - 1 AS weeks_ago, count(*)
  FROM people
 WHERE left_at >= :as_of - interval '84 days' AND left_at < :as_of
 GROUP BY weeks_ago
UNION ALL
SELECT 'active', subject, NULL, count(*)
  FROM people, unnest(subjects) AS subject
 WHERE active
 GROUP BY subject
UNION ALL
SELECT 'left', subject, NULL, count(*)
  FROM people, unnest(subjects) AS subject
 WHERE left_at >= :as_of - interval '84 days' AND left_at < :as_of
 GROUP BY subject
