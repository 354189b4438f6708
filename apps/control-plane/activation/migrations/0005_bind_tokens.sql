-- Networks from which a token may be redeemed, as text: "10.0.0.0/8"; none: from anywhere.
ALTER TABLE activation_token
  ADD COLUMN allowed_networks text[] NOT NULL DEFAULT '{}' CHECK (cardinality(allowed_networks) <= 32);
