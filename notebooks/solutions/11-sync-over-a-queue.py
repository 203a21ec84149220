# %% [markdown]
# # 11 Sync over a queue: solutions, and answers that a class would give

# %% exercise="11.1" role="reference"
rescue = {"queues.requests.order": "lifo"}

# %% exercise="11.1" role="wrong" name="as long as the user waits" says="expected at least 90/s, got 0/s"
rescue = {"producers.gateway.message.ttl": "2s"}

# %% exercise="11.1" role="wrong" name="everybody waits" says="gateway.reply_time p50: expected below 500ms, got"
rescue = {"producers.gateway.message.ttl": "1900ms"}

# %% exercise="11.1" role="wrong" name="another service" says="service.count: expected 1, got 2"
rescue = {"consumers.service.count": 2}

# %% exercise="11.1" role="wrong" name="more patience" says="expected at least 90/s, got 0/s"
rescue = {"producers.gateway.request_reply.timeout": "5s"}

# %% exercise="11.2" role="reference"
first_error = 22

# %% exercise="11.2" role="wrong" name="only the time until 200 wait" says="gateway.timeouts at 21s: expected above 0, got 0"
first_error = 20

# %% exercise="11.2" role="wrong" name="as with 105" says="gateway.timeouts at 41s: expected 0, got"
first_error = 42

# %% exercise="11.3" role="reference"
at_most = {"producers.gateway.rate": "80/s"}

# %% exercise="11.3" role="wrong" name="nearly full" says="gateway.reply_time p95: expected below 100ms, got"
at_most = {"producers.gateway.rate": "90/s"}

# %% exercise="11.3" role="wrong" name="full" says="gateway.reply_time p95: expected below 100ms, got"
at_most = {"producers.gateway.rate": "100/s"}

# %% exercise="11.3" role="wrong" name="half empty" says="gateway.rate mean: expected at least 75/s, got"
at_most = {"producers.gateway.rate": "50/s"}
