"""What workflow and activity authors use. Pure: it knows the vocabulary, not the tables or the engine."""
