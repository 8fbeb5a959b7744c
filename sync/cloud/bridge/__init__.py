"""What PODs send up, into the database: audits, their state, and whether they are there."""
