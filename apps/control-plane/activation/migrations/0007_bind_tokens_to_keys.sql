-- The only tunnel key that may redeem a token, SHA-256 of its SubjectPublicKeyInfo; null: any.
ALTER TABLE activation_token ADD COLUMN key_sha256 text CHECK (key_sha256 ~ '^[0-9a-f]{64}$');
