-- A materialized view whose query hides in a text and names its table without a schema: a load, which works
-- with an empty search_path, cannot fill it again. (PostgreSQL 17 refuses to make such a one.)
-- source: dimitri/pgcopydb#484
-- source: dimitri/pgcopydb#1009
-- database: c51
-- servers: 16
-- expect: 4 cannot be restored
-- says: documents_word
create database c51;
\c c51
create table documents(id int primary key, search_data tsvector);
insert into documents values (1, to_tsvector('simple', 'one two')), (2, to_tsvector('simple', 'two three'));
create materialized view documents_word as
  select word, ndoc from ts_stat('select search_data from documents') as found(word, ndoc, nentry);
