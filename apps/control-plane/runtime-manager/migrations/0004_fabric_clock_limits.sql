-- A fabric whose clocks are known to be worse, or must be better, than what the service is set to (design R21).
ALTER TABLE fabric
  ADD COLUMN clock_skew_warn_seconds integer CHECK (clock_skew_warn_seconds BETWEEN 1 AND 86400),
  ADD COLUMN clock_skew_fail_seconds integer CHECK (clock_skew_fail_seconds BETWEEN 1 AND 86400);
