"""Real workers, beat, PostgreSQL, Redis and callers, disturbed on purpose; and whether anything was lost.

`python -m tests.acceptance.chaos --seconds 60 --seed 7`, or `make chaos SECONDS=60 SEED=7`. How it works
is in docs/explanation/how-it-is-tested.md.
"""
