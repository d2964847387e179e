-- A database in which every identifier is quoted.
-- database: c05
-- servers: 14 17
-- expect: valid
create database c05;
\c c05
create table t(a int primary key, b text check (b <> '')); create view v as select a, b from t; create index i on t(b);
create sequence s; insert into t values (1,'x'),(2,'y');
alter database c05 set quote_all_identifiers = on;
