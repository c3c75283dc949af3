"""How the system keeps up with what operators care about: recovery of many runs, tables under load.

These are not compared with anybody, and take minutes: `python -m benchmarks.operating recovery|tables`.
"""
