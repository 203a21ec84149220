"""A consumer in plain Python, tried under every crash: ``expect.handler(handle, scenario=...).charges_each_order_once()``.

It knows handlers and the rules of one queue; no clock, no dice: the same handler always gets the same answer.

    store    what a handler is given: its message, the database, the payment service
    memory   what a process has in its memory, and loses when it dies
    drive    one schedule: who goes on, who dies, who is held up, on the kernel's own broker
    search   all schedules up to a bound, the shortest first
    reasons  why an order was charged twice, or never
    claim    the claim, its verdict and what a failure says
"""
