-- Finds the newest rows about cars however many rows of other kinds lie between.

CREATE INDEX audit_of_cars ON audit (seq) WHERE kind IN ('decision', 'intent', 'outcome');
