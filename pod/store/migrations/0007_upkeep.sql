-- What is asked for again and again in a long audit: which rows were erased, and what a gate did after an opening.

CREATE INDEX audit_of_erasures ON audit (seq) WHERE kind = 'erasure';

CREATE INDEX audit_of_gate_facts ON audit (ts_us) WHERE kind = 'gate_fact' AND payload IS NOT NULL;
