-- Members of an extension that were given another owner and grants: a dump carries the grants, not the owner.
-- source: Vasuki-git/mailing_lists2#23 (pgsql-bugs, 2025-01-28)
-- database: c57
-- servers: 17
-- expect: valid
create role c57_app login;
create database c57;
\c c57
create extension pg_trgm;
alter function similarity(text, text) owner to c57_app;
revoke execute on function word_similarity(text, text) from public;
grant execute on function word_similarity(text, text) to c57_app with grant option;
create table t(a text); insert into t values ('x'); create index on t using gin (a gin_trgm_ops);
