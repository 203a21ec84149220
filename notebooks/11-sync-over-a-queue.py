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
# # 11 Sync over a queue: all work done, nobody there
#
# A queue keeps everything. You will see why that is not always a virtue: a service that does 100 requests a second, and
# a moment from which on not a single one of them helps anybody. About 20 minutes.

# %%
from qsim import expect, load, sweep
from qsim.lab import chart, exercise, predict, show

# %% [markdown]
# ## Question
#
# A gateway has to answer its users. It puts each request into a queue, with a **correlation id**, waits for the message
# with the same id in the reply queue, and shows an error if none has come after 2 s. The service behind the queue does
# 100 requests a second. Today 105 come, 5 % more than it can do.
#
# **How many users a second get their answer?**

# %%
s = load("sync-over-queue")
print(s.show("producers", "consumers"))

# %% [markdown]
# ## Predict
#
# **Throughput** is how many requests the service finishes a second, **goodput** how many answers come in time. How much
# is each of them after two minutes? Replace the `...`.

# %%
predict("service.throughput mean from 2m to 5m", ...)
predict("gateway.goodput mean from 2m to 5m", ...)

# %% [markdown]
# ## Run

# %%
r = s.run()
print(r.show())

# %% [markdown]
# ## See

# %%
show(r, "gateway.rate", "service.throughput", "gateway.goodput")

# %% [markdown]
# For 40 seconds all is well. Then goodput falls to **0** and stays there, while the service goes on to finish **100
# requests a second**. All work is done, and nobody is there to get it: in five minutes 27,110 users saw an error. The
# dashboard of the service shows nothing but a busy, healthy service.

# %%
expect(r).that("service.throughput mean from 2m to 5m").equals("100/s")
expect(r).that("gateway.goodput mean from 2m to 5m").equals(0)
expect(r).that("gateway.timeouts at 40s").equals(0)
expect(r).that("gateway.timeouts total").equals(27_110)
expect(r).that("service.utilization mean from 2m to 5m").equals("100%");

# %% [markdown]
# ## Explain
#
# 105 − 100 = 5 requests a second more wait than before. After 40 s there are 200, and 200 requests are 2 s of work: who
# asks now gets the answer when the time is up. The queue gives its messages in the order in which they came, so the
# service always works on the oldest: on exactly those whose users have left. It never catches up, because what is late
# is done all the same.

# %%
expect(r).that("requests.visible at 40s").equals(200)
expect(r).that("gateway.reply_time max").equals("2s");

# %% [markdown]
# A call over the network has no such memory. If the service is busy the caller is refused at once, and the next one who
# is let in is served in time. A queue between two who wait for each other turns 5 % too much into 100 % too late.

# %% [markdown]
# ## Change
#
# Throughput and goodput for 50 to 120 requests a second. Up to 100/s they are one line. Beyond, throughput stays at the
# top and goodput falls off a cliff.

# %%
rates = ["50/s", "70/s", "90/s", "95/s", "100/s", "105/s", "110/s", "120/s"]
cliff = sweep(
    s,
    {"producers.gateway.rate": rates},
    metrics=["service.throughput mean from 2m to 5m", "gateway.goodput mean from 2m to 5m"],
)
chart(cliff);

# %% [markdown]
# Three ways out, all with 105 requests a second:
#
# * **Let messages expire** before their users leave (`message.ttl: 1900ms`). The service then works for people who wait.
# * **Refuse** what would wait too long (`capacity: 150, reject`). Who is refused knows at once.
# * **The newest first** (`order: lifo`). Odd, unfair, and good: who comes now is served in 20 ms, who came too long ago
#   has left anyway.
#
# Each gives all of the 100/s back.

# %%
ttl = s.with_variant("ttl").run()
shed = s.with_variant("shed").run()
newest = s.with_variant("newest-first").run()
expect(ttl).that("gateway.goodput mean from 2m to 5m").equals("100/s")
expect(shed).that("gateway.goodput mean from 2m to 5m").equals("100/s")
expect(newest).that("gateway.goodput mean from 2m to 5m").equals("100/s")
expect(newest).that("gateway.reply_time max").below("20ms")
expect(ttl).that("gateway.reply_time p50").above("1.9s");

# %% [markdown]
# Half of all answers take more than 1.9 s with the first: nobody is late, and everybody waits as long as it can be borne.
#
# **A trap.** A message that may live for 2 s, exactly as long as its user waits? Goodput is 0 again. What is begun after
# 1.995 s is answered after 2.005 s. The time to live has to be shorter than the patience by the time that the work takes.

# %%
trap = s.with_variant("ttl-is-the-timeout").run()
expect(trap).that("gateway.goodput mean from 2m to 5m").equals(0)
expect(trap).that("service.throughput mean from 2m to 5m").equals("100/s");

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run both cells. A check that fails says what happened, why, and where to look.
#
# ### 11.1 Save them
#
# 105/s come and one service does 100/s; that stays so. In the third minute at least 90 users a second must get their
# answers, and the median must be below half a second.

# %% exercise="11.1" role="answer"
rescue = ...  # {"queues.requests...": ..., ...}

# %% exercise="11.1" role="check"
ex = exercise("11.1", points=3)
fix = ex.run(s, rescue, until="3m")
ex.check(lambda: expect(fix).that("gateway.goodput mean from 2m to 3m").at_least("90/s"))
ex.check(lambda: expect(fix).that("gateway.reply_time p50").below("500ms"))
ex.check(lambda: expect(fix).that("service.count").equals(1), points=0.5)
ex.check(lambda: expect(fix).that("gateway.rate mean").within("1%", of="105/s"), points=0.5)
ex.score()

# %% [markdown]
# ### 11.2 When does it die?
#
# 110 requests a second come instead of 105. After how many seconds does the first user see an error? (The error comes
# 2 s after the request, the first one within a second of your answer.)

# %% exercise="11.2" role="answer"
first_error = ...  # seconds

# %% exercise="11.2" role="check"
ex = exercise("11.2", points=2)
ex.predicted(first_error)
faster = ex.run(s, {"producers.gateway.rate": "110/s"}, until="2m")
ex.check(
    lambda: expect(faster).that(f"gateway.timeouts at {first_error - 1}s").equals(0),
    otherwise=(
        "there are errors before that: how fast does the queue grow at 110/s, and which wait "
        "is too long?"
    ),
)
ex.check(
    lambda: expect(faster).that(f"gateway.timeouts at {first_error + 1}s").above(0),
    otherwise="there is no error yet: whose wait is 2 s by now is told so only when those 2 s are over",
)
ex.score()

# %% [markdown]
# ### 11.3 How full may it be?
#
# Real requests come at random (`arrivals: poisson`). In steps of 10/s: how many requests a second may come at most, so
# that 95 % of the answers take less than 100 ms? (Alone in an empty system each takes 10.)

# %% exercise="11.3" role="answer"
at_most = ...  # {"producers.gateway.rate": "how many/s"}

# %% exercise="11.3" role="check"
ex = exercise("11.3", points=2)
calm = ex.run(s.set("producers.gateway.arrivals", "poisson"), at_most, until="4m")
ex.check(lambda: expect(calm).that("gateway.reply_time p95").below("100ms"))
ex.check(lambda: expect(calm).that("gateway.rate mean").at_least("75/s"))
ex.score()
