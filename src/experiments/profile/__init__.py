"""One look at a table: what its columns are, what is doubtful, and the config that suits it."""
