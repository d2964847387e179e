-- A partitioned table whose parent has an insert trigger, which a parallel load fires and a serial one does not.
-- database: c32
-- servers: 16 17
-- expect: valid
create database c32;
\c c32
create table audit(id int, at timestamptz default now());
create function log_it() returns trigger language plpgsql as $$ begin insert into public.audit(id) values (new.id); return new; end $$;
create table ev(id int, d date) partition by range (d);
select format('create table ev_%s partition of ev for values from (%L) to (%L)', g, date '2020-01-01' + g*30, date '2020-01-01' + (g+1)*30) from generate_series(0,19) g \gexec
create trigger ev_log after insert on ev for each row execute function log_it();
insert into ev select g, date '2020-01-01' + g % 600 from generate_series(1,20000) g;
