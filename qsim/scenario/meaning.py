from __future__ import annotations
def check(document, scenario, found, folder, advise=True): return []
