"""Is it true?  Expectations become verdicts, and a failure says what happened and why.

It knows numbers (``metrics``) and what a scenario expects of them; it runs nothing, but for handlers and what_if.

    verdicts      one verdict for each expectation: exactly for one run, by intervals for several
    whole_run     claims without a metric: nothing lost, at most once, in order, Little's law, stable
    each_message  how often each message runs, whom it reaches, whose reply it is
    bottleneck    what keeps most work waiting
    alarms        whether an alert fires; catching: whether those that page catch what matters
    table         all claims by name
    explain       what happened, because, and the message that shows it
    reasons       why, and in which direction to look, by the kind of failure; lessons: where to read on
    what_if       with the same luck and no crashes, no poison, endless leases: what is to blame
    conservation  nothing appears and nothing disappears
    expect        the same predicates in Python
    handlers      a consumer in plain Python, under every crash (it has a map of its own)
    words         numbers in the words of the trade
"""
