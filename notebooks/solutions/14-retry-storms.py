# %% [markdown]
# # 14 Retry storms: solutions, and answers that a class would give

# %% exercise="14.1" role="reference"
tries = {"producers.client.on_reject.attempts": 2}

# %% exercise="14.1" role="wrong" name="no retry at all" says="expected below 5/s, got 80/s"
tries = {"producers.client.on_reject.attempts": 1}

# %% exercise="14.1" role="wrong" name="more than enough" says="client.retried share: expected at most 50 %"
tries = {"producers.client.on_reject.attempts": 3}

# %% exercise="14.2" role="reference"
calm = {"producers.client.on_reject.budget": "10%"}

# %% exercise="14.2" role="wrong" name="wait longer between tries" says="expected at least 70/s, got 0/s"
calm = {"producers.client.on_reject": {"attempts": 4, "backoff": "exponential", "first": "1s", "jitter": "full"}}

# %% exercise="14.2" role="wrong" name="a second server" says="expected at least 70/s, got 0/s"
calm = {"consumers.server.count": 2}

# %% exercise="14.2" role="wrong" name="no retries" says="client.retried total: expected above 0, got 0"
calm = {"producers.client.request_reply.on_timeout": "drop"}

# %% exercise="14.2" role="wrong" name="send them away" says="client.rejected total: expected 0, got"
calm = {"queues.requests.capacity": {"messages": 50, "when_full": "reject"}}

# %% exercise="14.2" role="wrong" name="a budget that arithmetic allows" says="expected at least 70/s, got 0/s"
calm = {"producers.client.on_reject.budget": "20%"}

# %% exercise="14.3" role="reference"
slowed_to = "20/s"

# %% exercise="14.3" role="wrong" name="half of what they send" says="expected 80/s, got 0/s"
slowed_to = "40/s"

# %% exercise="14.3" role="wrong" name="everybody silent" says="client.sent from 60s to 65s: expected at least 400"
slowed_to = "0/s"
