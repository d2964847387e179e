-- Hash partitions on an enum: a row's place hangs on the enum's oid, so pg_dump loads them through the root.
-- database: c07
-- servers: 16 17
-- text: rows merged
-- expect: valid
create database c07;
\c c07
create type colour as enum ('red','green','blue','black','white','grey','pink');
create table p(c colour, n int) partition by hash(c);
create table p0 partition of p for values with (modulus 3, remainder 0);
create table p1 partition of p for values with (modulus 3, remainder 1);
create table p2 partition of p for values with (modulus 3, remainder 2);
insert into p select (enum_range(null::colour))[1+g%7], g from generate_series(1,700) g;
