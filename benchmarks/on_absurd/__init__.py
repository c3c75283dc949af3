"""How each case is done with absurd: asynchronous workers with ten tasks at once, its fastest mode."""
