# %% [markdown]
# # 03 Visibility timeout: reference answers, and wrong ones that a class gives

# %% exercise="03.1" role="reference"
alive = {"consumers.worker.heartbeat": {"every": "10s", "extend_to": "30s"}}

# %% exercise="03.1" role="wrong" name="a lease longer than the longest job" says="jobs.recovery_time max: expected below 2m 0s, got"
alive = {"queues.jobs.visibility_timeout": "15m"}

# %% exercise="03.1" role="wrong" name="the first beat comes after the lease" says="messages with more, one with"
alive = {"consumers.worker.heartbeat": {"every": "1m", "extend_to": "5m"}}

# %% exercise="03.1" role="wrong" name="idempotent, and drowned as before" says="leases end while work goes on, and copies take the slots"
alive = {"consumers.worker.idempotent": True}

# %% exercise="03.2" role="reference"
least, most = "2.9%", "3.9%"  # lognormal_beyond(30, 5, 25) is 3.35 %

# %% exercise="03.2" role="wrong" name="as if exponential with this median" says="jobs.lease_expired share: expected between 1 % and 2 %, got"
least, most = "1%", "2%"  # 0.5 ** (30 / 5) = 1.6 %

# %% exercise="03.2" role="wrong" name="the five percent of p95" says="jobs.lease_expired share: expected between 4.5 % and 5.5 %, got"
least, most = "4.5%", "5.5%"

# %% exercise="03.3" role="reference"
second_receive = "30s"
idle = "20s"

# %% exercise="03.3" role="wrong" name="the lease begins at the crash" says="expected 40s, got 30s"
second_receive = "40s"
idle = "30s"

# %% exercise="03.3" role="wrong" name="the queue notices the crash" says="expected 10s, got 30s"
second_receive = "10s"
idle = "0s"
