-- Hash partitions on an enum: a row's place hangs on the enum's oid, so pg_dump loads them through the root. It does
-- not do so for an array, a composite type, a range or a table's name as key, which hang on such a number as well.
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
create type pair as (a int, c colour);
create type span as range (subtype = colour);
create domain paint as colour;
select format('create table %1$s(k %2$s, n int) partition by hash(%3$s);
  create table %1$s_0 partition of %1$s for values with (modulus 2, remainder 0);
  create table %1$s_1 partition of %1$s for values with (modulus 2, remainder 1)', made, type, key)
from (values ('of_array', 'colour[]', 'k'), ('of_pair', 'pair', 'k'), ('of_span', 'span', 'k'), ('of_name', 'regclass', 'k'),
  ('of_domain', 'paint', 'n, k'), ('of_expression', 'colour[]', '(k || k)')) made(made, type, key) \gexec
insert into of_array select array[c, c], n from p;
insert into of_expression select array[c], n from p;
insert into of_pair select row(n, c)::pair, n from p;
insert into of_span select span(c, null), n from p;
insert into of_domain select c, n from p;
insert into of_name select c.oid, 1 from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p');
