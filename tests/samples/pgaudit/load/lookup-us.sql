\set customer random(1, 400)
SELECT c.pseudonym, t.state FROM us.customers c JOIN us.tickets t ON t.customer = c.id WHERE c.id = :customer;
