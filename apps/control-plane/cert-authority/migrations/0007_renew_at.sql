-- When the service that holds a certificate means to renew it, as it said last. Agents say it to runtime-manager.
ALTER TABLE certificate ADD COLUMN renew_at timestamptz;
