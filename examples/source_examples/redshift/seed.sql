CREATE SCHEMA shop;
CREATE TABLE shop.orders (id bigint, customer varchar(100), amount numeric(12, 2), updated_at timestamptz);
INSERT INTO shop.orders VALUES
    (1, 'Ada', 19.50,         '2024-03-01 09:30:00+00'),
    (2, 'Zoë', 9999999999.99, '2024-03-02 10:00:00.000001+02'),
    (3, 'Ada', 0.01,          '2024-03-02 10:00:00.000001+02');
