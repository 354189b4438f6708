-- drawbridge:include outbox.v1
-- drawbridge:include inbox.v1
CREATE TABLE ledger (
  entry text PRIMARY KEY,
  amount bigint NOT NULL CHECK (amount >= 0)
);
