"""How each case is done with Restate: its server, and a Python service that it calls."""
