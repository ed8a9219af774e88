CREATE SEQUENCE "public"."push_order" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "blob" (
	"session_id" uuid NOT NULL,
	"id" text NOT NULL,
	"piece" integer NOT NULL,
	"data" "bytea" NOT NULL,
	CONSTRAINT "blob_session_id_id_piece_pk" PRIMARY KEY("session_id","id","piece")
);
--> statement-breakpoint
CREATE TABLE "pushed_item" (
	"session_id" uuid NOT NULL,
	"key" text NOT NULL,
	"push_no" bigint NOT NULL,
	"finality" bigint NOT NULL,
	"digest" "bytea" NOT NULL,
	"data" text,
	CONSTRAINT "pushed_item_session_id_key_pk" PRIMARY KEY("session_id","key")
);
--> statement-breakpoint
CREATE TABLE "session_info" (
	"session_id" uuid PRIMARY KEY NOT NULL,
	"info" text NOT NULL
);
--> statement-breakpoint
DROP INDEX "session_agent_session";--> statement-breakpoint
DROP INDEX "session_owner";--> statement-breakpoint
ALTER TABLE "message" ADD COLUMN "changed_seq" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "session" ADD COLUMN "revision" bigint DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "session" ADD COLUMN "git_branch" text;--> statement-breakpoint
ALTER TABLE "session" ADD COLUMN "parent_agent_session_id" text;--> statement-breakpoint
ALTER TABLE "session" ADD COLUMN "status" text;--> statement-breakpoint
ALTER TABLE "session" ADD COLUMN "status_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "session" ADD COLUMN "title_chosen_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "session" ADD COLUMN "share_id" uuid;--> statement-breakpoint
ALTER TABLE "blob" ADD CONSTRAINT "blob_session_id_session_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."session"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "pushed_item" ADD CONSTRAINT "pushed_item_session_id_session_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."session"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "session_info" ADD CONSTRAINT "session_info_session_id_session_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."session"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "session_share" ON "session" USING btree ("share_id") WHERE share_id is not null;--> statement-breakpoint
CREATE INDEX "session_parent" ON "session" USING btree ("user_id","parent_agent_session_id") WHERE parent_agent_session_id is not null;--> statement-breakpoint
CREATE INDEX "session_repository" ON "session" USING btree ("user_id","repository","activity") WHERE state <> 'deleted';--> statement-breakpoint
CREATE UNIQUE INDEX "session_agent_session" ON "session" USING btree ("user_id","agent_session_id");--> statement-breakpoint
CREATE INDEX "session_owner" ON "session" USING btree ("user_id","activity") WHERE state <> 'deleted';