CREATE TABLE "callback" (
	"id" text PRIMARY KEY NOT NULL,
	"number" bigint GENERATED ALWAYS AS IDENTITY (sequence name "callback_number_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"session_id" uuid NOT NULL,
	"execution_id" text NOT NULL,
	"owner" text NOT NULL,
	"state" text DEFAULT 'waiting' NOT NULL,
	"target" "bytea" NOT NULL,
	"body" text,
	"attempt_no" integer DEFAULT 0 NOT NULL,
	"attempts_left" integer NOT NULL,
	"attempts" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"attempted_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"wake_at" timestamp with time zone,
	"wake_no" bigint DEFAULT 0 NOT NULL,
	"claim_no" bigint DEFAULT 0 NOT NULL,
	"claim_until" timestamp with time zone,
	CONSTRAINT "callback_state" CHECK ("callback"."state" in ('waiting', 'pending', 'delivered', 'dead')),
	CONSTRAINT "callback_body" CHECK (("callback"."body" is null) = ("callback"."state" = 'waiting')),
	CONSTRAINT "callback_attempts" CHECK ("callback"."attempts_left" >= 0)
);
--> statement-breakpoint
CREATE TABLE "callback_key" (
	"id" text PRIMARY KEY NOT NULL,
	"owner" text NOT NULL,
	"sealed" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "execution" ADD COLUMN "callback_target" "bytea";--> statement-breakpoint
ALTER TABLE "callback" ADD CONSTRAINT "callback_session_id_session_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."session"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "callback_execution" ON "callback" USING btree ("execution_id");--> statement-breakpoint
CREATE UNIQUE INDEX "callback_session" ON "callback" USING btree ("session_id","number");--> statement-breakpoint
CREATE INDEX "callback_due" ON "callback" USING btree ("wake_at") WHERE wake_at is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "callback_key_current" ON "callback_key" USING btree ("owner") WHERE expires_at is null;--> statement-breakpoint
CREATE INDEX "callback_key_owner" ON "callback_key" USING btree ("owner");