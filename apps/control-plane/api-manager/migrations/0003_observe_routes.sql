-- Whether gateways report which routes an API's apps answer, and with which words besides the common ones. Off unless asked for.
ALTER TABLE api
  ADD COLUMN observe_routes boolean NOT NULL DEFAULT false,
  ADD COLUMN route_words text[] NOT NULL DEFAULT '{}' CHECK (cardinality(route_words) <= 200);

-- Templates, never paths: "/orders/{}". At most 200 of an API; those seen longest ago go first.
CREATE TABLE observed_route (
  api_id uuid NOT NULL REFERENCES api ON DELETE CASCADE,
  method text NOT NULL CHECK (method IN ('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
  template text NOT NULL CHECK (length(template) BETWEEN 1 AND 400),
  first_seen_at timestamptz NOT NULL,
  last_seen_on date NOT NULL,
  PRIMARY KEY (api_id, method, template)
);
CREATE INDEX observed_route_last_seen ON observed_route (last_seen_on);
