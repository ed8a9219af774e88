DROP INDEX "sandbox_name";--> statement-breakpoint
ALTER TABLE "sandbox" ADD COLUMN "shared_by" text;--> statement-breakpoint
CREATE UNIQUE INDEX "sandbox_shared_by" ON "sandbox" USING btree ("shared_by");