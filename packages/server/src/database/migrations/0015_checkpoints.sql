CREATE TABLE "checkpoint" (
	"session_id" uuid PRIMARY KEY NOT NULL,
	"content" jsonb NOT NULL,
	"bytes" bigint NOT NULL,
	"made_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "checkpoint" ADD CONSTRAINT "checkpoint_session_id_session_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."session"("id") ON DELETE cascade ON UPDATE no action;