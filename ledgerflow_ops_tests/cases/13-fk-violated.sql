-- A foreign key violated by rows that were written where triggers did not fire (a restore, a replica).
-- database: c13
-- servers: 18
-- expect: 4 cannot be restored
-- says: d_id_fkey
create database c13;
\c c13
create table m(id int primary key); create table d(id int references m); insert into m values (1);
set session_replication_role = replica; insert into d values (1),(2); reset session_replication_role;
