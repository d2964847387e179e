-- Views and a materialized view that group by a primary key alone: they can be made only after that key, so
-- pg_dump makes them twice, or late. With an index, a rule, a trigger and a comment on what was made twice.
-- source: xataio/pgstream#757
-- source: QGEP/QGEP#473
-- database: c53
-- servers: 14
-- expect: valid
create database c53;
\c c53
create table customer(id int primary key, name text, town text);
create table purchase(id int primary key, customer int references customer, amount numeric(10, 2));
insert into customer select g, 'n' || g, 't' || g % 3 from generate_series(1, 50) g;
insert into purchase select g, 1 + g % 50, g * 1.25 from generate_series(1, 400) g;
create view spent as select c.id, c.name, c.town, sum(p.amount) total
  from customer c join purchase p on p.customer = c.id group by c.id;
create view spent_more as select * from spent where total > 100;
create materialized view spent_kept as select c.id, c.name, count(*) n
  from customer c join purchase p on p.customer = c.id group by c.id;
create unique index on spent_kept(id);
create materialized view spent_twice as select name, n from spent_kept;
create rule no_delete as on delete to spent do instead nothing;
comment on view spent is 'by the key alone';
comment on rule no_delete on spent is 'and never deleted from';
create function instead() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger instead instead of update on spent for each row execute function instead();
create function keyed(int) returns setof spent language sql begin atomic select * from public.spent where id = $1; end;
grant select on spent, spent_kept to public;
