CREATE TABLE "session_secret" (
	"session_id" uuid PRIMARY KEY NOT NULL,
	"sealed" "bytea" NOT NULL,
	"envelopes" jsonb NOT NULL
);
--> statement-breakpoint
ALTER TABLE "session_secret" ADD CONSTRAINT "session_secret_session_id_session_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."session"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
-- Of before the first release: what had lain open is not carried over, since SQL has no key to seal it with.
UPDATE "session" SET "configuration" = "configuration" - 'envVars' - 'setupCommands'
	|| '{"counts": {"envVars": 0, "secrets": 0, "setupCommands": 0, "mcpServers": 0}, "hasCallback": false}';
