CREATE TABLE event (id bigint PRIMARY KEY, kind text, amount numeric(20, 4), happened_at timestamptz, details jsonb);
INSERT INTO event VALUES
    (1, 'order',  19.5,                   '2024-03-01 09:30:00+00',        '{"items": [1, 2]}'),
    (2, 'refund', -0.0001,                '2024-03-01 23:59:59.999999+02', NULL),
    (5, 'order',  9999999999999999.9999,  NULL,                            '[]'),
    (8, NULL,     NULL,                   '1969-12-31 23:59:59+00',        '{"note": "Zoë 🏔"}'),
    (9, 'order',  0,                      '2024-03-02 00:00:00+00',        '{}');
