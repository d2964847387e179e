-- PostgreSQL 18: NOT NULL is a constraint with a name, can be not valid and is inherited or not; generated columns
-- are virtual; constraints may be not enforced; keys may be without overlaps.
-- source: Vasuki-git/Bug_inreplyto#78 (bug 19074)
-- source: timescale/timescaledb#9984
-- source: pgplex/pgschema#566
-- database: c59
-- servers: 18
-- expect: valid
create database c59;
\c c59
create extension btree_gist;
create table t(a int, b int constraint b_is_there not null no inherit, c int not null, d int);
insert into t values (null, 1, 1, null), (2, 2, 2, 2);
alter table t add constraint a_is_there not null a not valid;
create table child(c int not null) inherits (t);
alter table t alter column c drop not null;
create table part(id int, day date, twice int generated always as (id * 2)) partition by range (day);
alter table part add constraint id_is_there not null id;
create table part_1 partition of part for values from ('2026-01-01') to ('2027-01-01');
insert into part(id, day) select g, date '2026-01-01' + g from generate_series(1, 30) g;
create table room(id int, during daterange, primary key (id, during without overlaps));
create table booking(id int, room int, during daterange, foreign key (room, period during) references room(id, period during));
insert into room values (1, '[2026-01-01,2026-06-01)'), (1, '[2026-06-01,2027-01-01)');
insert into booking values (1, 1, '[2026-02-01,2026-09-01)');
create table known(id int primary key);
create table loose(a int constraint positive check (a > 0) not enforced, k int references known not enforced);
insert into loose values (-1, 99);
