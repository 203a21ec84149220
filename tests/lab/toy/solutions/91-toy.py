# %% exercise="91.1" role="reference"
enough = {"consumers.worker.count": 10}

# %% exercise="91.1" role="wrong" name="one too few" says="a difference of 100/s"
enough = {"consumers.worker.count": 9}

# %% exercise="91.2" role="reference"
rate = 1000

# %% exercise="91.2" role="wrong" name="what is served" says="this does not hold"
rate = 800
