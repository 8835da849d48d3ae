\set customer random(1, 400)
\set n random(1, 1000000000)
\set value random(1, 5000)
INSERT INTO eu.sample_files (sha256, customer, bytes) VALUES (encode(sha256((:n)::text::bytea), 'hex'), :customer, :value);
INSERT INTO eu.telemetry (customer, kind, value) VALUES (:customer, 'scan', :value);
