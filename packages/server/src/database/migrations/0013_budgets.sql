CREATE TABLE "budget" (
	"scope" text NOT NULL,
	"scope_id" text NOT NULL,
	"limit_usd" numeric(20, 9) NOT NULL,
	"spent_usd" numeric(20, 9) DEFAULT 0 NOT NULL,
	"set_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "budget_scope_scope_id_pk" PRIMARY KEY("scope","scope_id"),
	CONSTRAINT "budget_scope" CHECK ("budget"."scope" in ('session', 'user', 'organization'))
);
--> statement-breakpoint
ALTER TABLE "execution" ADD COLUMN "starts_agent" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "model_call" ADD COLUMN "cost_usd" numeric(20, 9);