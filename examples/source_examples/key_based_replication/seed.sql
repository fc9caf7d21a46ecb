CREATE SCHEMA shop;

CREATE TABLE shop.customers (
    id bigint PRIMARY KEY,
    name text,
    credit_limit numeric(12, 2),
    updated_at timestamptz
);
INSERT INTO shop.customers VALUES
    (1, 'Ada',  19.50,         '2024-03-01 09:30:00+00'),
    (2, 'Zoë',  9999999999.99, '2024-03-02 10:00:00+02'),
    (3, 'Max',  NULL,          '2024-03-02 10:00:00+02');

CREATE TABLE shop.visits (
    id bigserial PRIMARY KEY,
    customer_id bigint REFERENCES shop.customers,
    page text,
    user_agent text
);
-- The row with id 2 is being written by a transaction that has not been committed yet.
INSERT INTO shop.visits VALUES
    (1, 1, '/', 'Firefox'), (3, 3, '/products/7', 'curl');
