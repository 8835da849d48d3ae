\set customer random(1, 400)
SELECT sha256, bytes FROM eu.sample_files WHERE customer = :customer;
UPDATE eu.sample_files SET verdict = 'clean' WHERE customer = :customer AND verdict IS NULL;
