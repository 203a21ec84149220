# %% [markdown]
# # 12 Monitoring: solutions, and answers that a class would give

# %% exercise="12.1" role="reference"
alarm = {"when": "orders.oldest_age", "above": "1m", "for": "30s", "severity": "page"}

# %% exercise="12.1" role="wrong" name="depth" says="when it was not true that orders.latency > 1m"
alarm = {"when": "orders.visible", "above": 500, "for": "30s", "severity": "page"}

# %% exercise="12.1" role="wrong" name="a depth that the newsletter does not reach" says="no alert of severity page fired at all"
alarm = {"when": "orders.visible", "above": 2_500, "for": "30s", "severity": "page"}

# %% exercise="12.1" role="wrong" name="half the promise, to be safe" says="and did not become true soon"
alarm = {"when": "orders.oldest_age", "above": "30s", "severity": "page"}

# %% exercise="12.1" role="wrong" name="the right alarm, and nobody is paged" says="of severity warn"
alarm = {"when": "orders.oldest_age", "above": "1m", "for": "30s"}

# %% exercise="12.2" role="reference"
listen = {"when": "worker.throughput", "below": "10/s", "for": "1m"}

# %% exercise="12.2" role="wrong" name="depth" says="silence fired 0 times: orders.visible above"
listen = {"when": "orders.visible", "above": 100, "for": "1m"}

# %% exercise="12.2" role="wrong" name="dead letters" says="silence fired 0 times: orders-dlq.visible above"
listen = {"when": "orders-dlq.visible", "above": 0}

# %% exercise="12.2" role="wrong" name="what the queue counts" says="silence fired 0 times: orders.acked below"
listen = {"when": "orders.acked", "below": 600, "for": "1m"}

# %% exercise="12.2" role="wrong" name="as many as the workers could do" says="silence.fired from 0 to 10m: expected 0, got 1"
listen = {"when": "worker.throughput", "below": "50/s", "for": "1m"}

# %% exercise="12.3" role="reference"
patience = "100s"

# %% exercise="12.3" role="wrong" name="a minute" says="depth.fired from 0 to 10m: expected 0, got 1"
patience = "1m"

# %% exercise="12.3" role="wrong" name="until it is over" says="depth.fired from 14m: expected 1, got 0"
patience = "5m"

# %% exercise="12.3" role="wrong" name="a bare number" says="a duration needs a unit"
patience = 100
