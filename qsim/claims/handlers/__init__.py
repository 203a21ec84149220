"""A consumer in plain Python, tried under every crash: ``expect.handler(handle, scenario=...).charges_each_order_once()``.

It knows handlers (``qsim.handlers``: what they are and what they are given) and the rules of one queue; no clock, no
dice: the same handler always gets the same answer.

    drive    one schedule: who goes on, who dies, who is held up, on the kernel's own broker
    search   all schedules up to a bound, the shortest first
    reasons  why an order was charged twice, or never
    claim    the claim, its verdict and what a failure says
"""
