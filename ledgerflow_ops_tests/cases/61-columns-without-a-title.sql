-- Columns of a query that have no title: when it is loaded again the server gives them one, NULL::integer AS int4.
-- source: metabrainz/musicbrainz-server admin/sql (release_event)
-- database: c61
-- servers: 15 17
-- text: titles given
-- expect: valid
create database c61;
\c c61
create table a(r int, c int, d date); create table b(r int, d date); insert into a values (1, 2, now()); insert into b values (3, now());
create view v as select r, c, d from (select r, c, d from a union all select r, null, d from b) q;
create materialized view m as select r, c from (select r, c from a union all select r, null from b) q;
create rule keep as on delete to b do also insert into a select q.r, q.c, q.d from (select r, c, d from a where false union all select old.r, null, old.d) q;
create function f() returns setof int begin atomic select c from (select c from a union all select null) q; end;
