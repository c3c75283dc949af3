"""What several floors of the suite share: a clock to set, waits, a worker driven by hand."""
