UPDATE shop.orders SET customer = 'Ida', updated_at = '2024-03-03 00:00:00+00' WHERE customer = 'Zoë';
