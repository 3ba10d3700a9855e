-- The tables that the statements of runnable.yaml meet.
CREATE TABLE shop.orders (id INT64, customer_id INT64, day DATE, status STRING, address STRUCT<city STRING, zip STRING>, items ARRAY<STRUCT<sku STRING, price FLOAT64, tags ARRAY<STRING>>>);
CREATE TABLE shop.customers (id INT64, name STRING, email STRING, country STRING);
CREATE TABLE shop.prices (sku STRING, price FLOAT64, valid_from DATE);
CREATE TABLE shop.tree (id INT64, parent INT64, label STRING);
CREATE TABLE shop.sales (store STRING, quarter STRING, amount FLOAT64);
CREATE TABLE shop.visits_2023 (customer_id INT64, seen TIMESTAMP);
CREATE TABLE shop.visits_2024 (customer_id INT64, seen TIMESTAMP);
CREATE TABLE mart.daily (day DATE, revenue FLOAT64, orders INT64);
CREATE TABLE mart.people (id INT64, name STRING, orders INT64, city STRING);
CREATE VIEW mart.dutch AS SELECT id, name FROM shop.customers WHERE country = 'NL';
