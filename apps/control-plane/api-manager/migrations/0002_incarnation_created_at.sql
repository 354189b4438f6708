-- When the record's life began. A root of it is never older than that, so that gateways, which go by the time between two lives,
-- take the restored one. Set by whatever changes the id: an operator's statement or the service itself.
CREATE FUNCTION incarnation_is_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.created_at := clock_timestamp();
  RETURN NEW;
END
$$;
CREATE TRIGGER incarnation_is_new BEFORE UPDATE OF incarnation_id ON incarnation
  FOR EACH ROW EXECUTE FUNCTION incarnation_is_new();
