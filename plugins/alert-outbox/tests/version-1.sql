-- What alert-outbox 0.1.0 writes: tables of version 1, with one alert that waits and one that fires.
BEGIN TRANSACTION;
CREATE TABLE alert_outbox_alerts (
	id VARCHAR(32) NOT NULL, 
	alert_id TEXT NOT NULL, 
	title TEXT NOT NULL, 
	severity INTEGER NOT NULL, 
	source TEXT, 
	status VARCHAR(12) NOT NULL, 
	dedup_key TEXT NOT NULL, 
	body TEXT NOT NULL, 
	own INTEGER NOT NULL, 
	stored DOUBLE NOT NULL, 
	open INTEGER NOT NULL, 
	closed DOUBLE, 
	finished DOUBLE, 
	PRIMARY KEY (id)
);
INSERT INTO "alert_outbox_alerts" VALUES('1c4a19fd62bb4129ba727399c8673447','f103db8a-f583-47a1-8b64-02fa9315d6cc','fires',2,NULL,'firing','ab55b2c626532653eeb648a8f54742840e91e590ad4d3aa003bd06e5fcbdda05','{"title":"fires","message":"m","severity":"error","source":null,"tags":[],"metadata":{},"status":"firing","dedup_key":"ab55b2c626532653eeb648a8f54742840e91e590ad4d3aa003bd06e5fcbdda05","url":null,"created_at":"2026-11-22T10:24:29.632709+00:00","id":"f103db8a-f583-47a1-8b64-02fa9315d6cc","correlation_id":"98b517d1-efea-4782-bee8-8f5cfd442d47","request_id":null}',0,1.79534306963985800745e+09,0,1.79534306979761862756e+09,1.79534306979761862756e+09);
INSERT INTO "alert_outbox_alerts" VALUES('1d68ef93d2414684a1e54775fd26e193','1047557e-5c46-41a7-87f8-e7dc70371678','waits',2,NULL,'firing','8023f9033f665745feb9abf071b7ea2998416d6c282fa877f40098681bd5966a','{"title":"waits","message":"m","severity":"error","source":null,"tags":[],"metadata":{},"status":"firing","dedup_key":"8023f9033f665745feb9abf071b7ea2998416d6c282fa877f40098681bd5966a","url":null,"created_at":"2026-11-22T10:24:29.842467+00:00","id":"1047557e-5c46-41a7-87f8-e7dc70371678","correlation_id":"4ff4ff83-63dd-47e6-91aa-288709cbe3a4","request_id":null}',0,1.79534306984271740913e+09,1,NULL,NULL);
CREATE TABLE alert_outbox_buckets (
	id TEXT NOT NULL, 
	kind VARCHAR(10) NOT NULL, 
	name TEXT NOT NULL, 
	label TEXT NOT NULL, 
	due DOUBLE, 
	told DOUBLE, 
	PRIMARY KEY (id)
);
CREATE TABLE alert_outbox_deliveries (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	dispatch VARCHAR(32) NOT NULL, 
	position INTEGER NOT NULL, 
	target TEXT NOT NULL, 
	recipient TEXT, 
	order_key VARCHAR(32) NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	bucket TEXT, 
	rank INTEGER NOT NULL, 
	due DOUBLE NOT NULL, 
	lease VARCHAR(32), 
	attempts INTEGER NOT NULL, 
	stored DOUBLE NOT NULL, 
	ended DOUBLE, 
	result TEXT, 
	arrived TEXT, 
	told DOUBLE
);
INSERT INTO "alert_outbox_deliveries" VALUES(1,'1c4a19fd62bb4129ba727399c8673447',0,'a',NULL,'ef5450cb58d2348da4f60b024fc785fb','delivered',NULL,2,1.79534306979761862756e+09,NULL,1,1.79534306963985800745e+09,1.79534306979761862756e+09,'{"target": "a", "kind": "A", "recipient": null, "outcome": "delivered", "attempts": 1, "receipt": {"id": null, "recipient": null, "detail": {}}, "error": null, "elapsed": 0.001787}','[]',NULL);
INSERT INTO "alert_outbox_deliveries" VALUES(2,'1d68ef93d2414684a1e54775fd26e193',0,'a',NULL,'c9a226115d3237f0e35d689aa478b6a5','waiting',NULL,2,1.79534306984271740913e+09,NULL,0,1.79534306984271740913e+09,NULL,NULL,NULL,NULL);
CREATE TABLE alert_outbox_events (
	route TEXT NOT NULL, 
	dedup_key TEXT NOT NULL, 
	rank INTEGER NOT NULL, 
	count INTEGER NOT NULL, 
	first_seen DOUBLE NOT NULL, 
	last_seen DOUBLE NOT NULL, 
	notified DOUBLE, 
	parts TEXT NOT NULL, 
	silenced INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (route, dedup_key)
);
INSERT INTO "alert_outbox_events" VALUES('r','ab55b2c626532653eeb648a8f54742840e91e590ad4d3aa003bd06e5fcbdda05',2,1,1.79534306963985800745e+09,1.79534306963985800745e+09,1.79534306963985800745e+09,'[["a", null]]',0,'{"title": "fires", "message": "m", "severity": "error", "source": null, "tags": [], "metadata": {}, "status": "firing", "dedup_key": "ab55b2c626532653eeb648a8f54742840e91e590ad4d3aa003bd06e5fcbdda05", "url": null, "created_at": "2026-11-22T10:24:29.632709+00:00", "id": "f103db8a-f583-47a1-8b64-02fa9315d6cc", "correlation_id": "98b517d1-efea-4782-bee8-8f5cfd442d47", "request_id": null}');
CREATE TABLE alert_outbox_rates (
	target TEXT NOT NULL, 
	spent DOUBLE NOT NULL, 
	at DOUBLE NOT NULL, 
	PRIMARY KEY (target)
);
CREATE TABLE alert_outbox_schema (
	version INTEGER NOT NULL
);
INSERT INTO "alert_outbox_schema" VALUES(1);
CREATE TABLE alert_outbox_silences (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	"match" TEXT NOT NULL, 
	starts DOUBLE NOT NULL, 
	ends DOUBLE NOT NULL, 
	author TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	made DOUBLE NOT NULL
);
INSERT INTO "alert_outbox_silences" VALUES(1,'{"source": "db"}',1795343069.85576,1795343070.85576,'ana','upgrade',1795343069.85576);
CREATE INDEX ix_alert_outbox_alerts_alert_id ON alert_outbox_alerts (alert_id);
CREATE INDEX ix_alert_outbox_alerts_closed ON alert_outbox_alerts (closed) WHERE closed IS NOT NULL;
CREATE INDEX ix_alert_outbox_alerts_stored ON alert_outbox_alerts (stored);
CREATE INDEX ix_alert_outbox_deliveries_dead ON alert_outbox_deliveries (id) WHERE state = 'dead';
CREATE INDEX ix_alert_outbox_deliveries_dispatch ON alert_outbox_deliveries (dispatch);
CREATE INDEX ix_alert_outbox_deliveries_due ON alert_outbox_deliveries (target, due, id) WHERE state = 'waiting';
CREATE INDEX ix_alert_outbox_deliveries_gathered ON alert_outbox_deliveries (bucket, id) WHERE state = 'gathered';
CREATE INDEX ix_alert_outbox_deliveries_order ON alert_outbox_deliveries (order_key, id) WHERE state IN ('waiting', 'held');
CREATE INDEX ix_alert_outbox_deliveries_untold ON alert_outbox_deliveries (due) WHERE state = 'dead' AND told IS NULL;
CREATE INDEX ix_alert_outbox_silences_ends ON alert_outbox_silences (ends);
CREATE INDEX ix_alert_outbox_buckets_due ON alert_outbox_buckets (due);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('alert_outbox_deliveries',2);
INSERT INTO "sqlite_sequence" VALUES('alert_outbox_silences',1);
COMMIT;
