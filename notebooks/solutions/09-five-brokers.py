# %% [markdown]
# # 09 Five brokers: solutions, and answers that a class would give

# %% exercise="09.1" role="reference"
on_quorum = 21
on_activemq = 7
on_azure = 10

# %% exercise="09.1" role="wrong" name="limits instead of tries" says="jobs.received poison total: expected 20, got 21"
on_quorum = 20
on_activemq = 6
on_azure = 10

# %% exercise="09.2" role="reference"
helped = {"consumers.worker.push.prefetch": 1}

# %% exercise="09.2" role="wrong" name="more workers" says="jobs.acked at 33s: expected 1,000, got"
helped = {"timeline.scale-out.set": {"consumers.worker.count": 40}}

# %% exercise="09.2" role="wrong" name="a smaller heap" says="jobs.acked at 33s: expected 1,000, got"
helped = {"consumers.worker.push.prefetch": 500}

# %% exercise="09.3" role="reference"
choice = s.with_variant("sqs-standard")

# %% exercise="09.3" role="wrong" name="the fastest" says="jobs-dlq.depth at end: expected 1, got 0"
choice = s.with_variant("rabbitmq-classic")

# %% exercise="09.3" role="wrong" name="a list is simple" says="expected no message lost, got 2"
choice = s.with_variant("redis-list")

# %% exercise="09.3" role="wrong" name="a lock of a minute" says="jobs.recovery_time max: expected below 45s, got 1m 0s"
choice = s.with_variant("azure-service-bus")

# %% exercise="09.3" role="wrong" name="waits at the client" says="expected at least 9, got 0"
choice = s.with_variant("activemq-classic")
