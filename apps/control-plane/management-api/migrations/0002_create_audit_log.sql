-- The audit log: append-only and hash-chained (design R24). seq has no gaps: it is taken from audit_head, whose only
-- row is locked by every transaction that appends.
CREATE TABLE audit_record (
  seq         bigint PRIMARY KEY CHECK (seq > 0),
  prev_hash   text NOT NULL CHECK (prev_hash ~ '^[0-9a-f]{64}$'),
  hash        text NOT NULL UNIQUE CHECK (hash ~ '^[0-9a-f]{64}$'),
  occurred_at timestamptz NOT NULL,
  request_id  text NOT NULL,
  actor       text NOT NULL,
  address     text NOT NULL,
  action      text NOT NULL,
  target      text NOT NULL,
  result      text NOT NULL CHECK (result IN ('success', 'refused', 'failed', 'unknown')),
  status_code integer NOT NULL,
  error_code  text NOT NULL,
  details     jsonb NOT NULL
);

CREATE TABLE audit_head (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  seq      bigint NOT NULL,
  hash     text NOT NULL
);
INSERT INTO audit_head (seq, hash) VALUES (0, repeat('0', 64));

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END;
$$;

CREATE TRIGGER audit_record_is_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_record
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- A write that has begun. Recorded before the act and removed in the transaction that appends its outcome, so that an act
-- whose process died still gets its record ("unknown").
CREATE TABLE audit_intent (
  intent_id  uuid PRIMARY KEY,
  begun_at   timestamptz NOT NULL,
  request_id text NOT NULL,
  actor      text NOT NULL,
  address    text NOT NULL,
  action     text NOT NULL,
  target     text NOT NULL,
  details    jsonb NOT NULL
);
CREATE INDEX audit_intent_by_age ON audit_intent (begun_at);
