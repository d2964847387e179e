-- A generated column, an index and a CHECK call a function that finds another one only by search_path.
-- Nobody can restore a dump of this database: pg_restore works with an empty search_path.
-- source: boardsesh/boardsesh#4699
-- source: dimitri/pgcopydb#264
-- database: c11
-- servers: 17
-- expect: 4 cannot be restored
-- says: outer_f
create database c11;
\c c11
create function inner_f(text) returns text language sql immutable as $$ select upper($1) $$;
create function outer_f(t text) returns text language plpgsql immutable as $$ begin return inner_f(t); end $$;
create table t(a text, g text generated always as (outer_f(a)) stored, check (outer_f(a) <> '')); create index on t(outer_f(a));
insert into t(a) values ('x'),('y');
