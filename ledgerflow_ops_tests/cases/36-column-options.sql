-- PostgreSQL 15.20 keeps pg_attver=N among the options of every column, which no dump carries.
-- database: s15
-- servers: 15
-- expect: valid
create database s15;
\c s15
create table t(a int primary key, b text); insert into t values (1,'x');
