-- A generated column calls an SQL function that the server inlines: its body finds another function only
-- by search_path, so the table itself cannot be made again.
-- source: supabase/cli#3921
-- database: c52
-- servers: 17
-- expect: 4 cannot be restored
-- says: inner_half
create database c52;
\c c52
create function inner_half(value bytea) returns text language sql immutable as $$ select encode(value, 'hex') $$;
create function whole(value text) returns text language sql immutable as $$ select inner_half(value::bytea) $$;
create table t(id text primary key, short text generated always as (whole(id)) stored);
insert into t(id) values ('a'), ('b');
