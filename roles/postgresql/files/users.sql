-- The database's users, each with what it does and no more; run again it changes nothing. The hub's rights to tables are
-- given by their owner, with the tables (renkei-hub migrate). Nobody has a password: logging in is by certificate or as
-- root of this machine (pg_hba.conf).
SET synchronous_commit = local;  -- the standby can't follow before its user is here

SELECT format('CREATE ROLE %I LOGIN %s', name, rights)
FROM (VALUES ('renkei-owner', ''), ('renkei-hub', ''), ('renkei-standby', 'REPLICATION')) AS wanted (name, rights)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

SELECT 'CREATE DATABASE renkei OWNER "renkei-owner"'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'renkei') \gexec

REVOKE ALL ON DATABASE renkei, postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE renkei TO "renkei-hub";
\connect renkei
SET synchronous_commit = local;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
