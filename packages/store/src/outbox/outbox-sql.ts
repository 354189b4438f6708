/**
 * The outbox of a service, version 1. In a migration file, one line `-- drawbridge:include outbox.v1` stands for it.
 * `position` is drawn inside the transaction: of two transactions of which the second waited for the first (both
 * changed the same row), the second has the higher one, whatever the clocks of their replicas say.
 */
export const outboxMigrationSql = `CREATE TABLE outbox (
  position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id uuid NOT NULL UNIQUE,
  type text NOT NULL,
  scope text NOT NULL,
  occurred_at timestamptz NOT NULL,
  traceparent text NOT NULL,
  payload text NOT NULL
);
`;
