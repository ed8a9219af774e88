ALTER TABLE "workspace" DROP CONSTRAINT "workspace_state";--> statement-breakpoint
ALTER TABLE "execution" ADD COLUMN "waits_for_room_since" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "workspace" ADD CONSTRAINT "workspace_state" CHECK ("workspace"."state" in ('absent', 'preparing', 'ready', 'failed', 'collecting'));