"""Looking: one function a picture, a table in, matplotlib's Axes out, and the report as one HTML file.

No plot computes a statistic.  matplotlib is imported by the modules here and nowhere else, so that only who looks at
something pays for it.
"""
