-- When an agent first reported that the revision answers requests; null for one that never did. A roll-back without a
-- number goes to one that did.
ALTER TABLE revision ADD COLUMN served_at timestamptz;

-- What is known of the time before: the revisions that serve now.
UPDATE revision SET served_at = now()
FROM app JOIN app_status USING (app_id)
WHERE revision.app_id = app.app_id
  AND revision.revision = (app_status.status ->> 'servingRevision')::bigint
  AND (app_status.phase IN ('running', 'degraded') OR revision.revision < app.revision);
