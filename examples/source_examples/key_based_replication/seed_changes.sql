-- A change, a new row, and one that was committed late: its time is before that of the newest row already read.
-- The same in the other table: of its new rows one has an id below the highest one already read.
UPDATE shop.customers SET credit_limit = 100, updated_at = '2024-03-03 00:00:00.000001+00' WHERE id = 1;
INSERT INTO shop.customers VALUES
    (4, 'Ida', 5, '2024-03-03 12:00:00+00'),
    (5, 'Eve', 0.01, '2024-03-02 07:58:00+00');
INSERT INTO shop.visits VALUES (2, 1, '/late', 'Firefox'), (4, 4, '/checkout', 'Safari');
