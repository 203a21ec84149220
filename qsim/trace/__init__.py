"""What a broker did: a recorded trace, replayed on the kernel step by step; the first difference is named.

It knows recordings and the kernel; no scenario, no SimPy.

    load      a file read and checked, times in whole nanoseconds
    stage     where it is played: broker, handles, receives that wait; what a dialect is
    sqs       the dialect of Amazon SQS: settings, operations and error codes, each with its rule
    servicebus  the dialect of Azure Service Bus; its traces are documented, not recorded
    replay    which results agree; a Verdict
    conform   many traces, a line each: what ``qsim conform`` prints
"""
