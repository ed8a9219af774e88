-- Whoever writes it: what the row of a session shows has one number that rises with it, and is told with the commit.
-- Heard by database/changes.ts as `<operation> <session> <user>`.
CREATE FUNCTION session_revised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.revision := greatest(NEW.revision, OLD.revision + 1);
  RETURN NEW;
END $$;--> statement-breakpoint
CREATE TRIGGER session_revised BEFORE UPDATE ON "session" FOR EACH ROW
WHEN ((OLD.title, OLD.state, OLD.organization_id, OLD.repository, OLD.git_branch, OLD.parent_agent_session_id, OLD.status,
       OLD.status_at, OLD.agent_kind, OLD.updated_at)
  IS DISTINCT FROM (NEW.title, NEW.state, NEW.organization_id, NEW.repository, NEW.git_branch,
       NEW.parent_agent_session_id, NEW.status, NEW.status_at, NEW.agent_kind, NEW.updated_at))
EXECUTE FUNCTION session_revised();--> statement-breakpoint

CREATE FUNCTION session_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('corral_session', TG_ARGV[0] || ' ' || NEW.id || ' ' || NEW.user_id);
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER session_created AFTER INSERT ON "session" FOR EACH ROW EXECUTE FUNCTION session_tell('created');--> statement-breakpoint
CREATE TRIGGER session_updated AFTER UPDATE ON "session" FOR EACH ROW
WHEN (OLD.revision <> NEW.revision AND (OLD.status, OLD.status_at) IS NOT DISTINCT FROM (NEW.status, NEW.status_at))
EXECUTE FUNCTION session_tell('updated');--> statement-breakpoint
CREATE TRIGGER session_status AFTER UPDATE ON "session" FOR EACH ROW
WHEN ((OLD.status, OLD.status_at) IS DISTINCT FROM (NEW.status, NEW.status_at))
EXECUTE FUNCTION session_tell('status');--> statement-breakpoint

-- Who joins or leaves an organization sees other sessions than before.
CREATE FUNCTION membership_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE m "member";
BEGIN
  IF TG_OP = 'DELETE' THEN m := OLD; ELSE m := NEW; END IF;
  UPDATE "session" SET revision = revision + 1 WHERE user_id = m.user_id AND organization_id = m.organization_id;
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER membership_changed AFTER INSERT OR DELETE ON "member" FOR EACH ROW EXECUTE FUNCTION membership_changed();
