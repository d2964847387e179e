-- A partition that is a foreign table, whose rows belong to another server: a dump has its definition alone.
-- source: adjust/parquet_fdw#47
-- source: greenplum-db/gpdb#11944
-- database: c58
-- servers: 18
-- expect: valid
create database c58;
\c c58
create extension file_fdw;
create server files foreign data wrapper file_fdw;
create extension postgres_fdw;
create server away foreign data wrapper postgres_fdw options (host '192.0.2.1', dbname 'gone', port '5432');
create user mapping for postgres server away options (user 'someone', password 'never told');
create table measured(id int not null, what text) partition by range (id);
create table measured_here partition of measured for values from (1) to (1000);
create foreign table measured_away partition of measured for values from (1000) to (2000) server away options (table_name 'measured');
create foreign table no_file(line text) server files options (filename '/nonexistent/none.csv');
insert into measured select g, 'here' from generate_series(1, 20) g;
create table held_by_parent(a int) ; create foreign table child_away() inherits (held_by_parent) server away;
insert into held_by_parent values (1);
