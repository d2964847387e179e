-- Tables of which COPY moves no column at all: all of them generated, or none there. Their rows count.
-- source: dimitri/pgcopydb#757
-- database: c56
-- servers: 17
-- expect: valid
create database c56;
\c c56
create table generated(a int generated always as (42) stored);
insert into generated select from generate_series(1, 5);
create table nothing();
insert into nothing select from generate_series(1, 7);
create table dropped(a int, b text);
insert into dropped select g, 'x' from generate_series(1, 3) g;
alter table dropped drop column a, drop column b;
create table part(like nothing) ; create table child() inherits (part); insert into child default values;
create table given(id int generated always as identity, twice int generated always as (2 * 21) stored);
insert into given select from generate_series(1, 4);
