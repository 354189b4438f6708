-- What a name has got lately is one short range of the index, also of a name that renewed for years.
DROP INDEX certificate_spiffe_id;
CREATE INDEX certificate_name ON certificate (spiffe_id, issued_at DESC);
