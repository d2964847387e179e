-- An extension that works only where it is preloaded. A drill preloads it; beside the live database, and under
-- another name, pg_cron does not let itself be created.
-- database: cron
-- servers: 15
-- preload: pg_cron,pgaudit
-- expect: valid
-- unrestored: can only create extension in database cron
create database cron;
\c cron
create extension pg_cron; select cron.schedule('nightly','0 3 * * *','vacuum');
