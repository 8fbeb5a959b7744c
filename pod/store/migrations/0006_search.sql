-- Finds all rows about one car. The check keeps a spoiled payload from making its row unwritable.

CREATE INDEX audit_of_approach
    ON audit (CASE WHEN json_valid(payload) THEN json_extract(payload, '$.approach') END)
    WHERE kind IN ('decision', 'intent', 'outcome') AND payload IS NOT NULL;
