-- When a token is good no longer by itself; NULL: never.
ALTER TABLE access.tokens ADD COLUMN expires_at timestamptz;
