# %% [markdown]
# # 07 Backpressure: reference answers, and wrong ones that a class gives

# %% exercise="07.1" role="reference"
bound = {"queues.orders.capacity": {"messages": 4_000, "when_full": "reject"}}  # 800/s x 5 s

# %% exercise="07.1" role="wrong" name="arrivals instead of departures" says="orders.wait max: expected at most 5s, got"
bound = {"queues.orders.capacity": {"messages": 5_000, "when_full": "reject"}}

# %% exercise="07.1" role="wrong" name="the growth instead of the throughput" says="shop.rejected total: expected at most 8,200, got"
bound = {"queues.orders.capacity": {"messages": 1_000, "when_full": "reject"}}

# %% exercise="07.2" role="reference"
look = {"producers.shop.slow_down.check_every": "1s"}

# %% exercise="07.2" role="wrong" name="slows down more, as late" says="orders.visible: expected never to exceed 6,000, got"
look = {"producers.shop.slow_down.to": "400/s"}

# %% exercise="07.3" role="reference"
payments = "block"
telemetry = "drop-oldest"
indexing = "endless"

# %% exercise="07.3" role="wrong" name="payments are refused" says="shop.rejected total: expected 0, got"
payments = "reject"
telemetry = "drop-oldest"
indexing = "endless"

# %% exercise="07.3" role="wrong" name="old telemetry" says="orders.wait max: expected at most 7s, got"
payments = "block"
telemetry = "endless"
indexing = "endless"
