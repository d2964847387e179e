-- An extension that owns composite types, and little else.
-- database: c31
-- servers: 15 17
-- expect: valid
create database c31;
\c c31
create extension tablefunc; create table t(a int); insert into t values (1);
