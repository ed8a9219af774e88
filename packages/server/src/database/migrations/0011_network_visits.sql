CREATE TABLE "network_visit" (
	"session_id" uuid NOT NULL,
	"minute" timestamp with time zone NOT NULL,
	"host" text NOT NULL,
	"port" integer NOT NULL,
	"refused" text NOT NULL,
	"visits" bigint NOT NULL,
	"sent_bytes" bigint NOT NULL,
	"received_bytes" bigint NOT NULL,
	CONSTRAINT "network_visit_session_id_minute_host_port_refused_pk" PRIMARY KEY("session_id","minute","host","port","refused")
);
