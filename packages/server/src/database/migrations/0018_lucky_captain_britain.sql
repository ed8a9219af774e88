DROP INDEX "session_root";--> statement-breakpoint
DROP INDEX "session_root_repository";--> statement-breakpoint
CREATE INDEX "session_root" ON "session" USING btree ("user_id","activity" DESC NULLS FIRST) WHERE state in ('prepared', 'open') and agent_kind <> 'external' and parent_agent_session_id is null;--> statement-breakpoint
CREATE INDEX "session_root_repository" ON "session" USING btree ("user_id","repository","activity" DESC NULLS FIRST) WHERE state in ('prepared', 'open') and agent_kind <> 'external' and parent_agent_session_id is null;