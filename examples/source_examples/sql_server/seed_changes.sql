UPDATE hr.employees SET name = 'Max', updated_at = '2024-03-03 00:00:00' WHERE id = 3;
DELETE FROM hr.employees WHERE id = 1;
INSERT INTO hr.employees_deleted VALUES (1, 1);
