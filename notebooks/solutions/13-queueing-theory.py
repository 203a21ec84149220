# %% [markdown]
# # 13 Queueing theory: solutions, and answers that a class would give

# %% exercise="13.1" role="reference"
are_there = 13.5  # 720/s x 18.8 ms

# %% exercise="13.1" role="wrong" name="those that wait" says="within 25 % of 6.31, got"
are_there = 6.31  # 720/s x 8.77 ms: the wait is not the whole stay

# %% exercise="13.1" role="wrong" name="milliseconds taken for seconds" says="within 25 % of 13,536, got"
are_there = 720 * 18.8

# %% exercise="13.1" role="wrong" name="one a worker" says="within 25 % of 8, got"
are_there = 8

# %% exercise="13.2" role="reference"
def erlang_c(c, a):
    b = 1.0
    for k in range(1, c + 1):
        b = a * b / (k + a * b)
    return b / (1 - a / c * (1 - b))


# %% exercise="13.2" role="wrong" name="Erlang's B: those that are lost" says="erlang_c(1, 0.5) is 0.3333, not 0.5"
def erlang_c(c, a):
    b = 1.0
    for k in range(1, c + 1):
        b = a * b / (k + a * b)
    return b


# %% exercise="13.2" role="wrong" name="busy is not waiting" says="right in 5 of 50 cases"
def erlang_c(c, a):
    return a / c


# %% exercise="13.2" role="wrong" name="factorials" says="raises OverflowError"
def erlang_c(c, a):
    from math import factorial

    last = a**c / factorial(c) * c / (c - a)
    return last / (sum(a**k / factorial(k) for k in range(c)) + last)


# %% exercise="13.3" role="reference"
how_many = 60

# %% exercise="13.3" role="wrong" name="as many as before" says="it cannot be told from what was run"
how_many = 5

# %% exercise="13.3" role="wrong" name="a single run looks like a proof" says="one run has no interval"
how_many = 1

# %% exercise="13.3" role="wrong" name="a thousand" says="more than 80 are not paid for"
how_many = 1000
