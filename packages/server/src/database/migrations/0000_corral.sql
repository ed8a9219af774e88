CREATE SEQUENCE "public"."session_activity" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "event" (
	"session_id" uuid NOT NULL,
	"seq" bigint NOT NULL,
	"type" text NOT NULL,
	"execution_id" text,
	"entity_id" text,
	"data" text NOT NULL,
	"at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"epoch" integer,
	"n" bigint,
	"key" text,
	"ends" boolean DEFAULT false NOT NULL,
	CONSTRAINT "event_session_id_seq_pk" PRIMARY KEY("session_id","seq")
);
--> statement-breakpoint
CREATE TABLE "execution" (
	"id" text PRIMARY KEY NOT NULL,
	"session_id" uuid NOT NULL,
	"state" text DEFAULT 'queued' NOT NULL,
	"queued_seq" bigint NOT NULL,
	"prompt" text NOT NULL,
	"request" jsonb NOT NULL,
	"message_id" text NOT NULL,
	"part_id" text NOT NULL,
	"client_id" text,
	"client_hash" text,
	"attempt" integer DEFAULT 0 NOT NULL,
	"sent_link" text,
	"begun" boolean DEFAULT false NOT NULL,
	"reason" text,
	"failure_message" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"delivered_at" timestamp with time zone,
	"started_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	"stopped_at" timestamp with time zone,
	"finalization" text DEFAULT 'none' NOT NULL,
	CONSTRAINT "execution_state" CHECK ("execution"."state" in ('queued', 'running', 'completed', 'failed', 'interrupted')),
	CONSTRAINT "execution_ended" CHECK (("execution"."ended_at" is not null) = ("execution"."state" in ('completed', 'failed', 'interrupted')))
);
--> statement-breakpoint
CREATE TABLE "gateway_token" (
	"hash" "bytea" PRIMARY KEY NOT NULL,
	"session_id" uuid NOT NULL,
	"sandbox_id" text NOT NULL,
	"boot_id" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "message" (
	"session_id" uuid NOT NULL,
	"id" text NOT NULL,
	"position" bigint NOT NULL,
	"execution_id" text,
	"agent_session_id" text NOT NULL,
	"role" text NOT NULL,
	"info" text NOT NULL,
	CONSTRAINT "message_session_id_id_pk" PRIMARY KEY("session_id","id")
);
--> statement-breakpoint
CREATE TABLE "model_call" (
	"id" uuid PRIMARY KEY NOT NULL,
	"session_id" uuid NOT NULL,
	"execution_id" text,
	"user_id" text NOT NULL,
	"organization_id" text,
	"upstream" text NOT NULL,
	"model" text NOT NULL,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	"status" integer,
	"prompt_tokens" integer,
	"completion_tokens" integer,
	"cached_tokens" integer
);
--> statement-breakpoint
CREATE TABLE "part" (
	"session_id" uuid NOT NULL,
	"message_id" text NOT NULL,
	"id" text NOT NULL,
	"position" bigint NOT NULL,
	"type" text NOT NULL,
	"data" text NOT NULL,
	"folded_seq" bigint NOT NULL,
	CONSTRAINT "part_session_id_message_id_id_pk" PRIMARY KEY("session_id","message_id","id")
);
--> statement-breakpoint
CREATE TABLE "sandbox" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"state" text DEFAULT 'stopped' NOT NULL,
	"driver" text NOT NULL,
	"ref" jsonb,
	"attempt" integer DEFAULT 0 NOT NULL,
	"boot_id" text,
	"link_token_hash" "bytea",
	"incarnation" integer DEFAULT 0 NOT NULL,
	"host_user" bigint,
	"supervisor_bundle" text,
	"starting_since" timestamp with time zone,
	"unreachable_since" timestamp with time zone,
	"idle_since" timestamp with time zone,
	"reason" text,
	"message" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"wake_at" timestamp with time zone,
	"wake_no" bigint DEFAULT 0 NOT NULL,
	"claim_no" bigint DEFAULT 0 NOT NULL,
	"claim_until" timestamp with time zone,
	CONSTRAINT "sandbox_state" CHECK ("sandbox"."state" in ('stopped', 'starting', 'ready', 'unreachable', 'stopping'))
);
--> statement-breakpoint
CREATE TABLE "server" (
	"term" bigint PRIMARY KEY NOT NULL,
	"until" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "session" (
	"id" uuid PRIMARY KEY NOT NULL,
	"state" text NOT NULL,
	"user_id" text NOT NULL,
	"organization_id" text,
	"bot_id" text,
	"agent_session_id" text NOT NULL,
	"agent_kind" text NOT NULL,
	"agent_version" text NOT NULL,
	"repository" text NOT NULL,
	"configuration" jsonb NOT NULL,
	"config_version" integer DEFAULT 1 NOT NULL,
	"title" text NOT NULL,
	"client_id" text,
	"client_hash" text,
	"log_id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"activity" bigint DEFAULT nextval('session_activity') NOT NULL,
	"sandbox_id" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"prepared_at" timestamp with time zone,
	"initiated_at" timestamp with time zone,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp with time zone,
	"wake_at" timestamp with time zone,
	"wake_no" bigint DEFAULT 0 NOT NULL,
	"claim_no" bigint DEFAULT 0 NOT NULL,
	"claim_until" timestamp with time zone,
	CONSTRAINT "session_state" CHECK ("session"."state" in ('unprepared', 'prepared', 'open', 'deleted'))
);
--> statement-breakpoint
CREATE TABLE "session_head" (
	"session_id" uuid PRIMARY KEY NOT NULL,
	"last_seq" bigint DEFAULT 0 NOT NULL,
	"epoch" integer DEFAULT 0 NOT NULL,
	"last_n" bigint DEFAULT 0 NOT NULL,
	"last_progress_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "used_ticket" (
	"nonce" text PRIMARY KEY NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "workspace" (
	"session_id" uuid PRIMARY KEY NOT NULL,
	"state" text DEFAULT 'absent' NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"sent_link" text,
	"preparing_since" timestamp with time zone,
	"ready_boot" text,
	"step" text,
	"reason" text,
	"message" text,
	"branch" text,
	"base_commit" text,
	"head_commit" text,
	"diff" jsonb,
	CONSTRAINT "workspace_state" CHECK ("workspace"."state" in ('absent', 'preparing', 'ready', 'failed'))
);
--> statement-breakpoint
ALTER TABLE "execution" ADD CONSTRAINT "execution_session_id_session_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."session"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "gateway_token" ADD CONSTRAINT "gateway_token_session_id_session_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."session"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "workspace" ADD CONSTRAINT "workspace_session_id_session_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."session"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "event_key" ON "event" USING btree ("session_id","key") WHERE key is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "event_ending" ON "event" USING btree ("session_id","execution_id") WHERE ends;--> statement-breakpoint
CREATE UNIQUE INDEX "execution_running" ON "execution" USING btree ("session_id") WHERE state = 'running';--> statement-breakpoint
CREATE UNIQUE INDEX "execution_client" ON "execution" USING btree ("session_id","client_id") WHERE client_id is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "execution_order" ON "execution" USING btree ("session_id","queued_seq");--> statement-breakpoint
CREATE INDEX "execution_open" ON "execution" USING btree ("session_id","queued_seq") WHERE state in ('queued', 'running') or finalization = 'pending' or (stopped_at is null and delivered_at is not null);--> statement-breakpoint
CREATE UNIQUE INDEX "gateway_token_boot" ON "gateway_token" USING btree ("session_id","boot_id");--> statement-breakpoint
CREATE INDEX "message_order" ON "message" USING btree ("session_id","position");--> statement-breakpoint
CREATE INDEX "model_call_session" ON "model_call" USING btree ("session_id","started_at");--> statement-breakpoint
CREATE INDEX "model_call_execution" ON "model_call" USING btree ("execution_id");--> statement-breakpoint
CREATE UNIQUE INDEX "sandbox_name" ON "sandbox" USING btree ("name");--> statement-breakpoint
CREATE UNIQUE INDEX "sandbox_host_user" ON "sandbox" USING btree ("host_user");--> statement-breakpoint
CREATE INDEX "sandbox_due" ON "sandbox" USING btree ("wake_at") WHERE wake_at is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "session_agent_session" ON "session" USING btree ("agent_session_id");--> statement-breakpoint
CREATE UNIQUE INDEX "session_client" ON "session" USING btree ("user_id","client_id") WHERE client_id is not null;--> statement-breakpoint
CREATE INDEX "session_owner" ON "session" USING btree ("user_id","activity" DESC NULLS LAST) WHERE state <> 'deleted';--> statement-breakpoint
CREATE INDEX "session_due" ON "session" USING btree ("wake_at") WHERE wake_at is not null;--> statement-breakpoint
CREATE INDEX "session_sandbox" ON "session" USING btree ("sandbox_id");