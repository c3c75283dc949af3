"""What several floors of the suite share: a clock to set, waiting without sleeping, a worker driven by hand."""
