ALTER TABLE "workspace" ADD COLUMN "warm_up" text DEFAULT 'over' NOT NULL;--> statement-breakpoint
ALTER TABLE "workspace" ADD COLUMN "warming_since" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "workspace_warming" ON "workspace" USING btree ("warming_since") WHERE warm_up = 'running';--> statement-breakpoint
ALTER TABLE "workspace" ADD CONSTRAINT "workspace_warm_up" CHECK ("workspace"."warm_up" in ('due', 'running', 'over'));