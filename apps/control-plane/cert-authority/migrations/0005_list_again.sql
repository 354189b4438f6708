-- is_listed follows the clock both ways: what left the list while the clock was ahead is listed again, as news.
CREATE INDEX revocation_unlisted ON revocation (not_after) WHERE NOT is_listed;
