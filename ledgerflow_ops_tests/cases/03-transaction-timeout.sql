-- A database that ends every session and transaction of ours within 100 to 700 ms, if we let it.
-- source: pgbackrest/pgbackrest#2789
-- source: dimitri/pgcopydb#344
-- source: GreenmaskIO/greenmask#350
-- database: c03
-- servers: 17
-- expect: valid
create database c03;
\c c03
create table t as select g a, repeat(md5(g::text),20) b from generate_series(1,60000) g;
alter database c03 set transaction_timeout = '700ms';
alter database c03 set idle_session_timeout = '500ms';
alter database c03 set statement_timeout = '100ms';
alter database c03 set idle_in_transaction_session_timeout = '100ms';
alter database c03 set lock_timeout = '10ms';
