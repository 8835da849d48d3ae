-- An invented vendor's customer data in three regions, the staff that works on it, and three programs.
CREATE ROLE analyst;
CREATE ROLE support;
CREATE ROLE privacy;
CREATE ROLE "owner";

CREATE ROLE "s-1001" LOGIN IN ROLE "owner";
CREATE ROLE "s-1071" LOGIN IN ROLE support;
CREATE ROLE "s-1072" LOGIN IN ROLE analyst, privacy;
CREATE ROLE "s-1090" LOGIN IN ROLE analyst;
CREATE ROLE "s-2043" LOGIN IN ROLE support;
CREATE ROLE "s-3007" LOGIN IN ROLE support;
CREATE ROLE "s-4010" LOGIN IN ROLE support;
CREATE ROLE "svc-ingest" LOGIN;
CREATE ROLE "svc-classifier" LOGIN;
CREATE ROLE "svc-report" LOGIN;
-- Staff gets a role's rights by taking the role, so that the log shows when.
ALTER ROLE "s-1071" NOINHERIT;
ALTER ROLE "s-1072" NOINHERIT;
ALTER ROLE "s-1090" NOINHERIT;

DO $$
DECLARE region text;
BEGIN
  FOREACH region IN ARRAY ARRAY['eu', 'us', 'jp'] LOOP
    EXECUTE format('CREATE SCHEMA %I AUTHORIZATION "owner"', region);
    EXECUTE format('CREATE TABLE %I.customers (id int PRIMARY KEY, pseudonym text NOT NULL, country text NOT NULL, plan text NOT NULL)', region);
    EXECUTE format('CREATE TABLE %I.sample_files (sha256 text PRIMARY KEY, customer int NOT NULL REFERENCES %I.customers, bytes int NOT NULL, verdict text)', region, region);
    EXECUTE format('CREATE TABLE %I.telemetry (id bigserial PRIMARY KEY, customer int NOT NULL, kind text NOT NULL, value int NOT NULL)', region);
    EXECUTE format('CREATE TABLE %I.tickets (id int PRIMARY KEY, customer int NOT NULL, state text NOT NULL)', region);
    EXECUTE format('INSERT INTO %I.customers SELECT n, ''p-'' || left(md5(%L || n), 12), (ARRAY[''DE'',''FR'',''US'',''JP''])[1 + n %% 4], (ARRAY[''home'',''office''])[1 + n %% 2] FROM generate_series(1, 400) n', region, region);
    EXECUTE format('INSERT INTO %I.sample_files SELECT encode(sha256((%L || n)::bytea), ''hex''), 1 + n %% 400, 1000 + 37 * n FROM generate_series(1, 600) n', region, region);
    EXECUTE format('INSERT INTO %I.telemetry (customer, kind, value) SELECT 1 + n %% 400, ''scan'', n FROM generate_series(1, 1200) n', region);
    EXECUTE format('INSERT INTO %I.tickets SELECT n, 1 + n %% 400, ''open'' FROM generate_series(1, 200) n', region);
    EXECUTE format('ALTER TABLE %I.customers OWNER TO "owner"', region);
    EXECUTE format('ALTER TABLE %I.sample_files OWNER TO "owner"', region);
    EXECUTE format('ALTER TABLE %I.telemetry OWNER TO "owner"', region);
    EXECUTE format('ALTER TABLE %I.tickets OWNER TO "owner"', region);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO analyst, support, privacy, "svc-ingest", "svc-classifier", "svc-report"', region);
    EXECUTE format('GRANT SELECT ON %I.sample_files, %I.telemetry TO analyst', region, region);
    EXECUTE format('GRANT SELECT ON %I.customers, %I.tickets TO support', region, region);
    EXECUTE format('GRANT UPDATE ON %I.tickets TO support', region);
    EXECUTE format('GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA %I TO privacy', region);
    EXECUTE format('GRANT INSERT ON %I.sample_files, %I.telemetry TO "svc-ingest"', region, region);
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO "svc-ingest"', region);
    EXECUTE format('GRANT SELECT, UPDATE ON %I.sample_files TO "svc-classifier"', region);
    EXECUTE format('GRANT SELECT ON %I.customers, %I.telemetry TO "svc-report"', region, region);
  END LOOP;
END $$;
