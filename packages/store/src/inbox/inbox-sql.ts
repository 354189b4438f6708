/** The inbox of a consumer, version 1. In a migration file, one line `-- drawbridge:include inbox.v1` stands for it. */
export const inboxMigrationSql = `CREATE TABLE inbox (
  consumer text NOT NULL,
  event_id uuid NOT NULL,
  handled_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_handled_at ON inbox (handled_at);
`;
