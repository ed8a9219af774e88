CREATE TABLE "ask" (
	"session_id" uuid NOT NULL,
	"id" text NOT NULL,
	"kind" text NOT NULL,
	"execution_id" text NOT NULL,
	"agent_session_id" text NOT NULL,
	"request" jsonb NOT NULL,
	"state" text DEFAULT 'open' NOT NULL,
	"answer" jsonb,
	"answered_by" text,
	"asked_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deadline_ms" integer NOT NULL,
	"closed_at" timestamp with time zone,
	"sent_link" text,
	"sent_at" timestamp with time zone,
	"settled_at" timestamp with time zone,
	CONSTRAINT "ask_session_id_id_pk" PRIMARY KEY("session_id","id"),
	CONSTRAINT "ask_kind" CHECK ("ask"."kind" in ('question', 'permission')),
	CONSTRAINT "ask_state" CHECK ("ask"."state" in ('open', 'answered', 'expired', 'withdrawn')),
	CONSTRAINT "ask_closed" CHECK (("ask"."state" = 'open') = ("ask"."closed_at" is null)),
	CONSTRAINT "ask_answered" CHECK (("ask"."answer" is not null) = ("ask"."state" in ('answered', 'expired'))),
	CONSTRAINT "ask_settled" CHECK ("ask"."state" <> 'open' or "ask"."settled_at" is null)
);
--> statement-breakpoint
ALTER TABLE "ask" ADD CONSTRAINT "ask_session_id_session_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."session"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "ask_pending" ON "ask" USING btree ("session_id","asked_at") WHERE settled_at is null;