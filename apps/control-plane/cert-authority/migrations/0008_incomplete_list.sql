-- The database was found to be an earlier state of itself, and was not compared with the mirror since: who has no list yet
-- gets none.
ALTER TABLE revocation_list ADD COLUMN is_incomplete boolean NOT NULL DEFAULT false;
