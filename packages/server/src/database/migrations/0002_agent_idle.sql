ALTER TABLE "workspace" ADD COLUMN "agent_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "sandbox" DROP COLUMN "idle_since";