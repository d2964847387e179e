-- A database, tables, indexes and partitions in tablespaces, which a drill's server does not have.
-- source: timescale/timescaledb#1548
-- source: pgbackrest/pgbackrest#1382
-- database: c25
-- servers: 17
-- expect: valid
\set one :folder '/one'
\set two :folder '/two'
create tablespace ts1 location :'one';
create tablespace "ts 2" location :'two';
create database c25 tablespace ts1;
\c c25
create table t(a int primary key using index tablespace "ts 2") tablespace "ts 2"; insert into t values (1); create index i on t(a) tablespace ts1; create table u(a int) tablespace pg_default; create materialized view m tablespace "ts 2" as select * from t;
create table p(a int) partition by range(a) tablespace "ts 2"; create table p1 partition of p for values from (0) to (9);
