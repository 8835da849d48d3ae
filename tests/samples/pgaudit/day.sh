# The day: sourced by `make`, which says what `work` and `person` are. The application name is how a tool says its ticket.
work svc-ingest     "ingest 4.2"     240 ingest
work svc-ingest     "ingest 4.2"      60 ingest-jp
work svc-classifier "classifier 7.1" 280 classify
work s-2043         "desk CS-20431"   80 lookup
work s-3007         "desk CS-20440"   60 lookup
work s-1090         "lab AN-311"      40 triage
work s-4010         "desk CS-20452"   50 lookup-us

person s-1071 "desk CS-20417" <<'SQL'
SET ROLE support;
SELECT pseudonym, plan FROM eu.customers WHERE id = 17;
SELECT id, state FROM eu.tickets WHERE customer = 17;
UPDATE eu.tickets SET state = 'answered' WHERE customer = 17;
RESET ROLE;
SELECT pseudonym FROM eu.customers WHERE id = 18;
SET ROLE privacy;
SQL

person s-1072 "privacy DSR-88" <<'SQL'
SET ROLE privacy;
SELECT pseudonym, country FROM eu.customers WHERE id = 203;
COPY (SELECT * FROM eu.telemetry WHERE customer = 203) TO STDOUT;
COPY eu.tickets TO STDOUT;
DELETE FROM eu.telemetry WHERE customer = 203;
DELETE FROM eu.sample_files WHERE customer = 203;
BEGIN;
SET LOCAL ROLE analyst;
SELECT count(*) FROM jp.sample_files;
COMMIT;
SELECT count(*) FROM eu.tickets;
SQL

# Located in another country than the office: a bulk read, and two statements in one text.
person s-1090 "lab AN-311" <<'SQL'
SET ROLE analyst;
SELECT * FROM eu.sample_files;
SELECT s.sha256 FROM eu.sample_files s JOIN jp.sample_files j ON j.bytes = s.bytes LIMIT 3;
SELECT count(*) FROM eu.telemetry\; SELECT count(*) FROM us.telemetry;
SELECT pseudonym FROM eu.customers WHERE id = 4;
BEGIN;
DECLARE samples CURSOR FOR SELECT sha256 FROM us.sample_files;
FETCH 50 FROM samples;
CLOSE samples;
COMMIT;
SQL

person s-3007 "desk CS-20440" <<'SQL'
SELECT * FROM eu.sample_files;
DELETE FROM eu.customers WHERE id = 9;
COPY eu.telemetry TO STDOUT;
SELECT 1 / (id - id) FROM eu.customers WHERE id = 9;
SELECT pseudonym FROM jp.customers ORDER BY id LIMIT 20;
SELECT nothing FROM eu.customers;
SQL

person svc-report "report 2.0" <<'SQL'
SELECT country, count(*) FROM eu.customers GROUP BY country;
SELECT * FROM eu.telemetry;
SELECT * FROM us.telemetry;
PREPARE one (int) AS SELECT value FROM jp.telemetry WHERE customer = $1;
EXECUTE one (5);
EXECUTE one (6);
SQL

# A name, an e-mail address or a file name in a statement is customer data too: quotes, a line end, more than 256 bytes.
person s-2043 "desk CS-20431" <<'SQL'
SELECT pseudonym FROM eu.customers WHERE pseudonym = 'p-"quoted", with a comma'
  AND plan = 'home';
SELECT id FROM eu.tickets WHERE state = 'zurück' OR state = 'répondu';
SQL

person s-1001 "change CHG-5" <<'SQL'
SET ROLE "owner";
CREATE TABLE us.telemetry_old (LIKE us.telemetry);
INSERT INTO us.telemetry_old SELECT * FROM us.telemetry WHERE id <= 100;
CREATE TABLE eu.export AS SELECT id, plan FROM eu.customers;
ALTER TABLE eu.tickets ADD COLUMN closed date;
CREATE INDEX ON eu.tickets (state);
TRUNCATE us.telemetry_old;
DROP TABLE us.telemetry_old, eu.export;
GRANT SELECT ON eu.telemetry TO support;
REVOKE SELECT ON eu.telemetry FROM support;
SQL
