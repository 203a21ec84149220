# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 13 Queueing theory: the hockey stick and the shared line
#
# You will see why a worker who is idle for a fifth of the time lets everybody wait, what one line for all is worth, and
# when a number that a simulation tells is a number. About 25 minutes.

# %%
from qsim import compare, expect, load, sweep, theory
from qsim.lab import agrees, chart, exercise, explore, predict, settling, show

# %% [markdown]
# ## Question
#
# 80 messages a second come, whenever they like. One worker takes them, one after the other, and needs 10 ms for one on
# average: sometimes hardly any time, sometimes five times as much. So the worker is busy for 80 % of the time and has
# nothing to do for the rest.
#
# **For how long does a message wait before its turn comes? And if 95 came?**

# %%
s = load("mm1")
print(s.show("queues", "producers", "consumers"))

# %% [markdown]
# ## Predict
#
# A service takes 10 ms. Replace each `...` before you go on.

# %%
predict("line.wait mean", ...)  # "5ms"? "10ms"? "100ms"?
predict("line.depth mean", ...)  # how many are there on average, waiting or at the worker?

# %% [markdown]
# ## Run
#
# Five replications: the same scenario with five different lucks. What is said below holds for all of them together.

# %%
runs = s.runs(5)
print(runs[0].show())

# %% [markdown]
# ## See

# %%
show(runs[0], "line.wait mean", "line.depth")

# %% [markdown]
# A message waits for 40 ms on average: **four times as long as its service takes**, in front of a worker who has nothing to
# do for a fifth of the time. Four messages are there on average, and four out of five have to wait.

# %%
expect(runs).that("line.wait mean").within("15%", of="40ms")
expect(runs).that("line.depth mean").within("15%", of=4)
expect(runs).that("line.wait share").within("3%", of="80%")
expect(runs).that("server.utilization mean").within("3%", of="80%");

# %% [markdown]
# And the busier the worker, the worse. This is the **hockey stick**: the points are simulated, each with its 95 % interval, and
# the line is what the textbook says.

# %%
rates = ["20/s", "40/s", "60/s", "70/s", "80/s", "85/s", "90/s", "95/s"]
stick = sweep(s, {"producers.source.rate": rates}, replications=4, metrics=["line.latency mean"])
chart(stick, theory=True);

# %% [markdown]
# From 90 to 95 messages a second, about one in twenty more, and everybody is there **twice as long**: 200 ms instead of 100.

# %%
assert round(theory.mm1(90, 100).mean_time, 9) == 0.100  # seconds: 90 arrive, 100 could be done
assert round(theory.mm1(95, 100).mean_time, 9) == 0.200
assert round(theory.mm1(80, 100).mean_wait, 9) == 0.040

# %% [markdown]
# ## Explain
#
# Nobody waits where messages come like the ticks of a clock and each takes as long as the other: lesson 01 has such a queue,
# 100 % busy. Here **chance** makes the line. Now and then five come at once, now and then one takes 50 ms, and what is
# behind has to wait. The worker makes up for it later, in the time that is left over. At 80 % there is 20 % left for that; at
# 95 % there are 5 %, and the next heap comes before the last one is gone.
#
# With λ arrivals a second, μ services a second that one worker could do, and the utilization ρ = λ / μ, the textbook says of
# the time that a message is there (**latency**, wait and service):
#
# > W = 1 / (μ − λ)
#
# A difference again, and this time it stands below: 1 / (100 − 80) s = 50 ms, 10 ms of it at work.
# A queue where both gaps and services are such pure chance (exponential) is called **M/M/1**.
#
# ### Little's law
#
# How many are there? They come at λ a second and each stays for W, so
#
# > L = λ · W = 80/s · 50 ms = 4
#
# That is all there is to it, and it holds for every queue, whatever the chance, the order or the broker.

# %%
expect(runs).little_law("line", within="2%");

# %% [markdown]
# ### One line for all
#
# Eight workers, 90 % busy. Once each of them has a queue of their own, and every message is sent to one of the eight; once there
# is one queue, and whoever is free takes the next message.

# %%
eight = load("mm8")
own = eight.with_variant("separate").set("run.duration", "10m")
lines = compare(
    {"one line for all": eight, "a line for each": own},
    replications=5,
    metrics=["line.latency mean", "server.utilization mean"],
)
lines.table()

# %% [markdown]
# The same workers, as busy as before, nobody faster: **100 ms** with a line for each, **18.8 ms** with one line for all. With a line
# for each somebody always waits behind a long job while a worker next door has nothing to do. (Supermarkets know this; post
# offices do it.)
#
# With c workers the chance to wait is given by **Erlang's C formula**, and the wait by C / (cμ − λ). (Times in tables are in
# seconds.)

# %%
expect(eight.runs(5)).that("line.latency mean").within("15%", of="18.77ms")
expect(own.runs(5)).that("line.latency mean").within("30%", of="100ms")
assert round(theory.mmc(720, 100, servers=8).mean_time, 5) == 0.01877
assert round(theory.erlang_c(8, 7.2), 3) == 0.702  # 70 % have to wait, on average 8.77 ms

# %%
shares = sweep(
    eight,
    {"producers.source.rate": ["400/s", "560/s", "640/s", "720/s", "760/s"]},
    replications=4,
    metrics=["line.wait share", "line.wait mean"],
)
chart(shares, theory=True)
shares.textbook()

# %% [markdown]
# ### Chance has two sources
#
# Half of the wait comes from how uneven the messages come, half from how uneven the work is. `md1` is the first queue again, 80 %
# busy, only that every message takes exactly 10 ms: the wait falls from 40 ms to **20 ms**. A worker who is 15 % faster would do as
# much. To make work alike (split the long jobs, send them elsewhere) is worth as much as a better machine.

# %%
expect(load("md1").runs(5)).that("line.wait mean").within("12%", of="20ms")
assert round(theory.md1(80, 0.010).mean_wait, 9) == 0.020
assert round(theory.mm1(80, 114.8).mean_wait, 3) == 0.020

# %% [markdown]
# ### The beginning is unlike the rest
#
# The textbook speaks of a queue that has gone on for ever. A run begins. Say it begins after an outage, with 600 messages that
# wait: for the first half minute the run tells about the outage and not about the queue, and its mean is **ten times** too high.

# %%
heap = {"to": "line", "rate": "100000/s", "arrivals": "regular", "limit": 600}
outage = s.set({"producers.outage": heap, "run.duration": "5m"})
raw = outage.set("run.warmup", "0s").run()
cut = outage.set("run.warmup", "auto").run()
settling(raw, "line.depth")
expect(raw).that("line.wait mean").above("300ms")
expect(cut).that("line.wait mean").within("20%", of="40ms");

# %% [markdown]
# Where does the beginning end? **MSER-5** tries every place, and takes the one after which the rest is most alike: here, after 30 s.
# `warmup: auto` does that in every run. An empty queue at the start is a beginning too, only that it makes the mean too low.
#
# ### A mean without an interval is a guess
#
# Five runs of one minute tell five different means, for waits come in heaps: behind one long job everybody is late. What can be
# said is their mean **± the half of an interval**, in which the true one lies 95 times out of 100. Four times as many runs make it
# half as wide. A claim whose limit lies within the interval is neither right nor wrong; qsim calls it **inconclusive**, and says how
# many runs it would take.

# %%
minute = s.set("run.duration", "1m")
few = sweep(minute, {"producers.source.rate": ["80/s"]}, replications=5, metrics=["line.wait mean"])
many = sweep(minute, {"producers.source.rate": ["80/s"]}, replications=20, metrics=["line.wait mean"])
few.table()

# %%
many.table()

# %% [markdown]
# ## Change
#
# Move the sliders. How many workers does it take to halve the wait? And where does one more hardly matter?

# %%
explore(
    eight.set("run.duration", "1m"),
    {"consumers.server.count": (8, 12), "producers.source.rate": ("400/s", "780/s")},
    show=["line.visible", "line.wait mean"],
    numbers=["line.wait mean", "server.utilization mean"],
)

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run both cells. A check that fails says what happened, why, and where to look.
#
# ### 13.1 Little's law
#
# A broker's dashboard says: 720 messages a second come in, each is acknowledged 18.8 ms after it was sent, and there is no number for
# how many are in the queue or at work. How many are there on average?

# %% exercise="13.1" role="answer"
are_there = ...  # messages

# %% exercise="13.1" role="check"
ex = exercise("13.1", points=2)
ex.predicted(are_there)
dashboard = ex.run(eight, replications=5, until="1m")
ex.check(
    lambda: expect(dashboard).that("line.depth mean").within("25%", of=are_there),
    otherwise="L = λ · W: W in seconds, and from the sending to the end of the work",
)
ex.score()

# %% [markdown]
# ### 13.2 Erlang's C
#
# Write `erlang_c(c, a)`: the share of messages that have to wait, for c workers who are offered a load of a = λ / μ workers' work. First the
# share that would be *lost* if there were no queue, from one worker to c of them:
#
# > B(0) = 1,  B(k) = a · B(k−1) / (k + a · B(k−1))
#
# and then C = B(c) / (1 − ρ · (1 − B(c))), with ρ = a / c. (The books also have a formula with a^c / c!. Try it with 200 workers.)

# %% exercise="13.2" role="answer"
erlang_c = ...  # def erlang_c(c, a): ...

# %% exercise="13.2" role="check"
ex = exercise("13.2", points=3)
ex.predicted(erlang_c)
workers, loads = (1, 2, 4, 8, 16, 40, 80, 120, 160, 200), (0.5, 0.7, 0.8, 0.9, 0.99)
cases = [(c, c * rho) for c in workers for rho in loads]
ex.check(lambda: agrees(erlang_c, theory.erlang_c, cases), points=2)
waited = ex.run(eight, replications=5, until="1m")
ex.check(
    lambda: expect(waited).that("line.wait share").within("10%", of=erlang_c(8, 7.2)),
    points=1,
    otherwise="eight workers who were 90 % busy do not show what your function says",
)
ex.score()

# %% [markdown]
# ### 13.3 How many runs are enough?
#
# Somebody has promised a mean wait below 43 ms. Five runs of one minute (`minute.runs(5)`) cannot tell: try
# `expect(minute.runs(5)).that("line.wait mean").below("43ms")`. How many can? As many as it takes, but a run costs money: 80 at most.

# %% exercise="13.3" role="answer"
how_many = ...  # runs

# %% exercise="13.3" role="check"
ex = exercise("13.3", points=2)
ex.predicted(how_many)
ex.check(
    lambda: 2 <= how_many <= 80,
    points=1,
    otherwise="one run has no interval, and more than 80 are not paid for: from 2 to 80",
)
ex.check(lambda: expect(minute.runs(min(how_many, 80))).that("line.wait mean").below("43ms"))
ex.score()
