ALTER TABLE "event" ADD COLUMN "deltas" text;--> statement-breakpoint
ALTER TABLE "execution" ADD COLUMN "compacted_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "execution_compaction" ON "execution" USING btree ("session_id","stopped_at") WHERE compacted_at is null and stopped_at is not null and delivered_at is not null;