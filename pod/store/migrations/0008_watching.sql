-- Who watched which camera is about people, too: it is erased when its time is over.

DROP INDEX audit_of_people;

CREATE INDEX audit_of_people ON audit (ts_us)
WHERE kind IN ('command', 'decision', 'intent', 'list_change', 'login', 'outcome', 'site_state', 'watch_ended',
               'watch_started')
    AND payload IS NOT NULL;
