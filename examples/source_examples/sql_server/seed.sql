CREATE SCHEMA hr;
CREATE TABLE hr.employees (
    id bigint PRIMARY KEY, name varchar(100), salary numeric(12, 2), hired_on date, updated_at timestamp
);
CREATE TABLE hr.employees_deleted (sequence bigint PRIMARY KEY, id bigint);
INSERT INTO hr.employees VALUES
    (1, 'Ada', 19.50,         '2020-01-01', '2024-03-01 09:30:00'),
    (2, 'Zoë', 9999999999.99, '2024-02-29', '2024-03-02 10:00:00.123456'),
    (3, NULL,  NULL,          NULL,         '2024-03-02 10:00:00.123456');
