CREATE TABLE "github_installation" (
	"installation_id" bigint NOT NULL,
	"organization_id" text,
	"user_id" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "github_installation_owner" CHECK (num_nonnulls("github_installation"."organization_id", "github_installation"."user_id") = 1)
);
--> statement-breakpoint
CREATE TABLE "token_cache" (
	"key" text PRIMARY KEY NOT NULL,
	"sealed" "bytea" NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "github_installation" ADD CONSTRAINT "github_installation_organization_id_organization_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organization"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "github_installation" ADD CONSTRAINT "github_installation_user_id_user_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."user"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "github_installation_organization" ON "github_installation" USING btree ("organization_id","installation_id");--> statement-breakpoint
CREATE UNIQUE INDEX "github_installation_user" ON "github_installation" USING btree ("user_id","installation_id");--> statement-breakpoint
CREATE INDEX "token_cache_expiry" ON "token_cache" USING btree ("expires_at");