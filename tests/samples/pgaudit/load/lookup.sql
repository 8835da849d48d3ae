\set customer random(1, 400)
SELECT c.pseudonym, t.state FROM eu.customers c JOIN eu.tickets t ON t.customer = c.id WHERE c.id = :customer;
