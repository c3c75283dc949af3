"""How fast Aion is, measured in one go with what it is compared to: `python -m benchmarks`.

Theory of operation
-------------------
A *case* says what is measured (`cases`), a *system* is who does it (`systems`). Each measurement is a
process of its own (`one`), because Django's settings are bound once for each process. The command
(`__main__`) takes each case in rounds over the systems (`rounds`), so that a machine that is busy for a
minute is busy for all of them, and keeps medians (`results`). The rows go to results.json, the table to
docs/explanation/performance.md (`report`).

A further system is a module in `systems` that looks like `systems.System`, and functions that return figures.
"""
