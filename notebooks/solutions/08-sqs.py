# %% [markdown]
# # 08 SQS: solutions, and answers that a class would give

# %% exercise="08.1" role="reference"
ordered = {"queues.orders": {"profile": "sqs-fifo"}, "producers.shop.message": {"group": {"keys": 100}}}

# %% exercise="08.1" role="wrong" name="one worker is enough" says="received after one of its group that was sent later"
ordered = {"consumers.worker.count": 1}

# %% exercise="08.1" role="wrong" name="groups on a standard queue" says="received after one of its group that was sent later"
ordered = {"producers.shop.message": {"group": {"keys": 100}}}

# %% exercise="08.1" role="wrong" name="FIFO without a group" says="its messages need a group"
ordered = {"queues.orders": {"profile": "sqs-fifo"}}

# %% exercise="08.2" role="reference"
with_five = "10/s"

# %% exercise="08.2" role="wrong" name="as many as come" says="expected within 1 % of 20/s, got 10/s"
with_five = "20/s"

# %% exercise="08.2" role="wrong" name="twenty workers" says="expected within 1 % of 40/s, got 10/s"
with_five = "40/s"

# %% exercise="08.3" role="reference"
cheap = {"consumers.worker.poll": {"wait": "20s"}}

# %% exercise="08.3" role="wrong" name="ask less often" says="jobs.wait p95: expected below 1s, got"
cheap = {"consumers.worker.poll": {"wait": 0, "every": "10s"}}

# %% exercise="08.3" role="wrong" name="a short wait" says="worker.calls total: expected at most 800, got"
cheap = {"consumers.worker.poll": {"wait": "1s"}}
