-- Names with line breaks, quotes and what psql would take for its commands, and values that look like the end of
-- the data. What reads the text of a dump must know names from data.
-- source: rails/rails#55509
-- database: c60
-- servers: 15 18
-- expect: valid
create database c60;
\c c60
create schema "a
\connect template1";
create table "a
\connect template1"."COPY public.t (a) FROM stdin;
\." ("id" int primary key, "two
lines" text, "a""b" text, "back\slash" text, "tab	ulator" text, "größe%s" text, ";--" text);
insert into "a
\connect template1"."COPY public.t (a) FROM stdin;
\." select g, E'\\.', E'\\.\n\\.', E'COPY public.t (a) FROM stdin;\n1\n\\.\n', E'\\restrict x\n\\connect template1', E'\\N', null
from generate_series(1, 5) g;
create table public."\." (a text); insert into public."\." values (E'\\.'), (E'--\n-- Name: t; Type: TABLE\n--'), ('');
create index "an
index" on "a
\connect template1"."COPY public.t (a) FROM stdin;
\." ("two
lines");
create function public."fun
ction"("argument
one" text default E'x\n\\.') returns text language sql as $$ select E'\\.\n' || $1
/*
\.
*/ $$;
create view public."vi
ew" as select "two
lines" as "again
two" from "a
\connect template1"."COPY public.t (a) FROM stdin;
\.";
create sequence public."se
quence" start 5;
comment on table public."\." is E'a comment\n\\connect template1\n-- of several lines';
