# %% [markdown]
# # 10 Black Friday: reference answers, and wrong ones that a class gives

# %% exercise="10.1" role="reference"
scaled = {"consumers.fulfil.autoscale.max": 60}

# %% exercise="10.1" role="wrong" name="not too many, but all the time" says="every slot of fulfil was busy: more of them at that time"
scaled = {"consumers.fulfil.autoscale": None, "consumers.fulfil.count": 40}

# %% exercise="10.1" role="wrong" name="the more the better" says="fulfil.consumer_hours total: expected at most 90"
scaled = {"consumers.fulfil.autoscale.max": 120}

# %% exercise="10.1" role="wrong" name="quicker, not more" says="more of them at that time (autoscale.max)"
scaled = {"consumers.fulfil.autoscale.startup": "10s"}

# %% exercise="10.2" role="reference"
minutes = 17_300 / (30 / 2.375 - 4) / 60

# %% exercise="10.2" role="wrong" name="forgets what goes on arriving" says="less what goes on arriving"
minutes = 17_300 / (30 / 2.375) / 60

# %% exercise="10.3" role="reference"
keeper = "payments"
finished = "21.3/s"  # 40 / 1.875 s

# %% exercise="10.3" role="wrong" name="consumers times their pace" says="expected fulfil to be the bottleneck, got payments"
keeper = "fulfil"
finished = "50/s"
