CREATE SCHEMA shop;
CREATE TABLE shop.orders (
    id bigint, customer varchar, amount decimal(12, 2), weight double, paid boolean, ordered_on date, updated_at timestamp
);
INSERT INTO shop.orders VALUES
    (1, 'Ada',  19.50,         0.5,  true,  DATE '2024-03-01', TIMESTAMP '2024-03-01 09:30:00'),
    (2, 'Zoë',  9999999999.99, NULL, false, DATE '2024-03-01', TIMESTAMP '2024-03-02 10:00:00.123'),
    (3, NULL,   0.01,          1e10, NULL,  NULL,              TIMESTAMP '2024-03-02 10:00:00.123');
