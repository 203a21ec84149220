"""What a real broker does: a trace's steps, done to one that runs, its answers written down for the replay.

It knows clients and the clock of the wall, and nothing of the simulator but the file format; nothing of the simulator
knows it.  The clients are an extra (``pip install 'qsim-lab[brokers]'``) and imported when their broker is asked for.

    session   what recorders of every broker share: actors, handles, unique names; what a driver is
    recorder  the steps at their times, receives in the background, errors as results
    sqs, rabbitmq, redis, activemq    a table each: what an operation is in calls of the broker's client
    files     steps in, a trace out
"""
