"""Is the engine right?  Runs held against what textbooks say, and against what arithmetic says exactly.

It knows formulas (``theory``), runs (``study.tasks``) and statistics; no command line.  ``cases`` has the rows that are
random, ``exact`` those that are not, ``judge`` says which misses are plausible, ``coverage`` how honest an interval is.
"""
