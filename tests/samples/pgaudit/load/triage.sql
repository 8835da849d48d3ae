\set customer random(1, 400)
SET ROLE analyst;
SELECT sha256, bytes, verdict FROM eu.sample_files WHERE customer = :customer;
SELECT kind, value FROM eu.telemetry WHERE customer = :customer LIMIT 5;
RESET ROLE;
