# %% [markdown]
# # 04 Dead letters: reference answers, and wrong ones that a class gives

# %% exercise="04.1" role="reference"
receives = 50  # each of the ten five times
dead_letters = 10

# %% exercise="04.1" role="wrong" name="the last receive is not one" says="received 5 times, with no effect; dead-lettered"
receives = 40
dead_letters = 10

# %% exercise="04.1" role="wrong" name="counts receives as dead letters" says="expected 50, got 10"
receives = 50
dead_letters = 50

# %% exercise="04.2" role="reference"
patience = {"queues.jobs.dlq.max_receives": 4}

# %% exercise="04.2" role="wrong" name="good jobs are put away" says="jobs.dead_lettered total: expected at most 22, got"
patience = {"queues.jobs.dlq.max_receives": 3}

# %% exercise="04.2" role="wrong" name="too patient with poison" says="jobs.received poison total: expected at most 40, got 50"
patience = {"queues.jobs.dlq.max_receives": 5}

# %% exercise="04.3" role="reference"
replay = {"timeline.replay.at": "22m"}  # the bug is fixed at 20:00

# %% exercise="04.3" role="wrong" name="still before the fix" says="received 6 times, with no effect; dead-lettered at 19m"
replay = {"timeline.replay.at": "19m"}

# %% exercise="04.3" role="wrong" name="slowly, and before the fix" says="jobs.dead_lettered poison total: expected at most 10"
replay = {"timeline.replay.redrive.rate": "1/s"}

# %% exercise="04.3" role="wrong" name="never" says="jobs-dlq.visible at end: expected 0, got 10"
replay = {"timeline.replay": None}
