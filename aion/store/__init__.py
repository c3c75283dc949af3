"""The only writer of the tables. SQL on the hot path, whole batches in a fixed number of statements."""
