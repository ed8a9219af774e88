CREATE TABLE "suggestion" (
	"session_id" uuid NOT NULL,
	"id" text NOT NULL,
	"execution_id" text NOT NULL,
	"agent_session_id" text NOT NULL,
	"request" jsonb NOT NULL,
	"state" text DEFAULT 'open' NOT NULL,
	"shown_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"closed_at" timestamp with time zone,
	"answered_by" text,
	"accepted_index" integer,
	"accepted_as" text,
	CONSTRAINT "suggestion_session_id_id_pk" PRIMARY KEY("session_id","id"),
	CONSTRAINT "suggestion_state" CHECK ("suggestion"."state" in ('open', 'accepted', 'dismissed', 'withdrawn')),
	CONSTRAINT "suggestion_closed" CHECK (("suggestion"."state" = 'open') = ("suggestion"."closed_at" is null)),
	CONSTRAINT "suggestion_accepted" CHECK (("suggestion"."state" = 'accepted') = ("suggestion"."accepted_index" is not null))
);
--> statement-breakpoint
ALTER TABLE "suggestion" ADD CONSTRAINT "suggestion_session_id_session_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."session"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "suggestion_open" ON "suggestion" USING btree ("session_id") WHERE state = 'open';--> statement-breakpoint
CREATE INDEX "suggestion_id" ON "suggestion" USING btree ("id");