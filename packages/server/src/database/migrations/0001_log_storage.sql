-- The head of a session is updated with every batch: room on its page keeps those updates there (HOT).
ALTER TABLE "session_head" SET (fillfactor = 50);--> statement-breakpoint
-- Event text compresses well and is read in pages; lz4 costs a fraction of pglz on the way in.
-- The embedded PostgreSQL is built without it and stays with pglz.
DO $$
BEGIN
  ALTER TABLE "event" ALTER COLUMN "data" SET COMPRESSION lz4;
EXCEPTION
  WHEN feature_not_supported THEN NULL;
END $$;
