"""A consumer in plain Python, ``def handle(message, store): ...``: what it is, and what it is given.

It knows functions, records and charges; no queue, no clock.  A run calls a handler (``sim.handling``), a claim tries it
under every crash (``claims.handlers``).

    code     a function, or where one is written, as a scenario names it and as it goes to another process
    found    the function itself, looked at before it is called
    store    what a handler is given: its message, the database, the payment service
    memory   what a process has in its memory, and loses when it dies
"""
