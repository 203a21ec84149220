# %% [markdown]
# # 01 Core model: reference answers, and wrong ones that a class gives

# %% exercise="01.1" role="reference"
waiting = 3_000  # (1000 - 900) x 30 s
in_flight = 9

# %% exercise="01.1" role="wrong" name="as with eight" says="9 x 1/10ms = 900/s"
waiting = 6_000
in_flight = 9

# %% exercise="01.1" role="wrong" name="nothing is in flight after an ack" says="3,000 visible + 9 in flight"
waiting = 3_000
in_flight = 0

# %% exercise="01.2" role="reference"
enough = {"consumers.worker.count": 10}

# %% exercise="01.2" role="wrong" name="one too few" says="9 x 1/10ms = 900/s"
enough = {"consumers.worker.count": 9}

# %% exercise="01.2" role="wrong" name="to be safe" says="expected at most 10"
enough = {"consumers.worker.count": 20}

# %% exercise="01.3" role="reference"
enough_for_chance = {"consumers.worker.count": 11}

# %% exercise="01.3" role="wrong" name="as many as arrive" says="with something to spare where chance plays"
enough_for_chance = {"consumers.worker.count": 10}

# %% exercise="01.4" role="reference"
slower = {"producers.shop.rate": "850/s"}

# %% exercise="01.4" role="wrong" name="the wrong sign" says="750/s"
slower = {"producers.shop.rate": "750/s"}

# %% exercise="01.4" role="wrong" name="took 50 from what arrives" says="a difference of 150/s"
slower = {"producers.shop.rate": "950/s"}
