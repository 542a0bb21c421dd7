-- Dropping the index `words` leaves its positions, a third of the table, in parts that no merge rewrites any more. In the background, as the above.
ALTER TABLE calls REWRITE PARTS;
