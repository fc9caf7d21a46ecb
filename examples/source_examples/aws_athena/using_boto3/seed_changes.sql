UPDATE shop.orders SET paid = true, updated_at = TIMESTAMP '2024-03-03 00:00:00' WHERE id = 1;
