-- A UTF-8 database in a cluster with a role whose name was given by a session without an encoding.
-- database: c24
-- servers: 17
-- expect: valid
create database c24a encoding 'SQL_ASCII' template template0 lc_collate 'C' lc_ctype 'C';
\c c24a
select format('create role %I', E'j\xfcrgen') \gexec
\c postgres
create database c24;
\c c24
create table t(a int); insert into t values (1);
