-- Staging tables that come and go several times a second while a backup is taken.
-- source: timescale/timescaledb-backup#19
-- database: c33
-- servers: 17
-- meanwhile: create table public.staging as select 1 a; drop table public.staging
-- expect: valid
create database c33;
\c c33
create table keep as select g a, md5(g::text) b from generate_series(1,500000) g;
