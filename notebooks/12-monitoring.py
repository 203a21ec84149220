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
# # 12 Monitoring: which alarm rings first, and which is worth hearing
#
# You will see an alarm that rings for nothing, one that rings for the right thing, and a disaster for which none rings. About
# 20 minutes.

# %%
from qsim import expect, load
from qsim.lab import exercise, explore, predict, show

# %% [markdown]
# ## Question
#
# Ten orders a second come, and four workers could do 40. Each order needs a call to the payment service. Two things will happen
# today:
#
# * At minute 5 a newsletter goes out: 100 orders a second for half a minute.
# * At minute 14 the payment service becomes six times slower, for five minutes.
#
# Customers were promised that an order is done **within a minute**. Two alarms can get you out of bed: one rings when more than 500
# orders wait, the other when the oldest has waited for more than a minute (each when that has lasted for 30 s).
#
# **Which of them rings when? And when should you get up?**

# %%
s = load("which-alarm")
print(s.show("producers", "consumers", "dependencies", "timeline", "alerts"))

# %% [markdown]
# ## Predict

# %%
predict("depth.fired total", ...)  # how often does the alarm on depth ring?
predict("age.fired total", ...)  # and the one on age?

# %% [markdown]
# ## Run

# %%
r = s.run()
print(r.show())

# %% [markdown]
# ## See

# %%
show(r, "orders.visible", "orders.oldest_age")

# %%
r.plot("alerts");

# %% [markdown]
# The newsletter makes the longer line: **some 1,800 orders** wait. The alarm on depth rings, and you get up for nothing: within a
# minute all is done, and no order was late, the oldest waited for less than 50 s.
#
# When the payment service is slow only about 1,000 orders wait, **half as many**, and they are late: the oldest is nearly 100 s old, and
# of those that are done in the last of these minutes every one took longer than was promised. Now both alarms ring.

# %%
expect(r).that("orders.visible max from 0 to 10m").within("10%", of=1_800)
expect(r).that("orders.oldest_age max from 0 to 10m").below("50s")
expect(r).that("orders.latency max from 0 to 10m").below("1m")
expect(r).that("orders.visible max from 14m").within("20%", of=1_000)
expect(r).that("orders.oldest_age max from 14m").within("20%", of="100s")
expect(r).that("orders.latency min from 18m to 19m").above("1m")
expect(r).that("depth.fired from 0 to 10m").is_(1)
expect(r).that("age.fired from 0 to 10m").is_(0)
expect(r).that("depth.fired from 14m").is_(1)
expect(r).that("age.fired from 14m").is_(1);

# %% [markdown]
# ## Explain
#
# ### Depth is not lag
#
# A depth is a number of messages; what was promised is a time. Between the two stands the pace:
#
# > time that the last one waits = depth / departures a second
#
# 500 orders are **12.6 s** of work for four workers who need 101 ms for one. For the same four they are **75 s** while the payment
# service is slow. The limit that fits one hour is wrong in the next; with an autoscaler, which changes the number of workers, it is
# wrong all day. The age of the oldest message needs no such arithmetic: it *is* a time. (SQS calls it
# `ApproximateAgeOfOldestMessage`, Kafka's tools call it lag in seconds.)

# %%
assert round(500 / (4 / 0.101), 1) == 12.6
assert round(500 / (4 / 0.601)) == 75

# %% [markdown]
# ### What wakes people must be worth it
#
# An alarm makes two mistakes: it keeps silent when customers wait, or it rings when nobody does. qsim counts both: an **incident** is
# the time in which a promise is broken, and every incident needs a page soon, every page an incident.

# %%
promise = "orders.latency > 1m"
age_only = s.set("alerts.depth.severity", "warn")  # depth still warns, on a screen; it wakes nobody
expect(age_only.runs(4)).alerts.catch(promise, within="2m", false_pages=0);

# %% [markdown]
# `for: 30s` is the other half of an alarm: a limit that was passed for a moment is noise. The longer it is the fewer false alarms, and
# the later the true ones.
#
# ### The alarm that never rings
#
# And now the worst day of all. Twenty orders a second, five workers, everybody has time. At minute 10 a new version is deployed that
# takes an order out of the queue, fails, and says nothing: `try: ... except: pass`.

# %%
silent = load("silent-consumer").run()
show(silent, "orders.visible", "worker.utilization", "worker.throughput", "orders.acked")

# %% [markdown]
# No depth, no age, no dead letter. Workers are busy as always, 40 % of the time, and after the deployment the queue counts 20
# acknowledged orders a second as before. **Not one of them was done.** No alarm on a queue can see this, for the queue is all right: it
# was told that the work is done. What the work leaves behind must be counted where it arrives: charges, mails, rows (here: `effects`).

# %%
expect(silent).that("orders.oldest_age max").below("5s")
expect(silent).that("orders-dlq.visible max").is_(0)
expect(silent).that("worker.utilization mean from 11m").within("5%", of="40%")
expect(silent).that("orders.acked from 11m").within("5%", of=10_800)  # 20/s for nine minutes
expect(silent).that("worker.effects from 11m").is_(0);

# %% [markdown]
# ### Five numbers of a queue
#
# | | what it tells | page? |
# |---|---|---|
# | age of the oldest | how late we are | yes, at the promise |
# | depth | how much is to be done; and its growth, whether it will end | a warning |
# | in flight | who holds what; at a limit (SQS: 120,000) nobody gets more | a warning |
# | dead letters | what was given up | yes, above 0: somebody must look |
# | receives a message | copies and retries: 1 is well, 3 is work done thrice | a warning |
#
# and one from outside: what has come out at the other end.
#
# ## Change
#
# Move the sliders. Is there a limit for the depth that is right for both, however slow the payments are?

# %%
explore(
    s,
    {"timeline.payments-slow.slow.by": (2, 8), "alerts.depth.above": (100, 2000)},
    show=["orders.visible", "orders.oldest_age"],
    numbers=["depth.fired total", "age.fired total", "orders.latency max"],
)

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run both cells. A check that fails says what happened, why, and where to look.

# %%
bare = s.set({"alerts": None, "expect": None})  # the same day without alarms

# %% [markdown]
# ### 12.1 An alarm worth hearing
#
# Write one alarm, of severity `page`, that rings within two minutes whenever orders take longer than a minute, and at no other time.
# It is tried on two such days.

# %% exercise="12.1" role="answer"
alarm = ...  # {"when": "orders.visible", "above": 500, "for": "30s", "severity": "page"}

# %% exercise="12.1" role="check"
ex = exercise("12.1", points=3)
days = ex.run(bare, {"alerts.mine": alarm}, replications=2, until="21m")
ex.check(lambda: expect(days).alerts.catch("orders.latency > 1m", within="2m", false_pages=0))
ex.score()

# %% [markdown]
# ### 12.2 Hear the silence
#
# Write an alarm for the day on which the silent consumer is deployed (`silent-consumer`, at minute 10): it must ring within five minutes
# after that, and not before.

# %% exercise="12.2" role="answer"
listen = ...  # {"when": "worker. ...", "below": ..., "for": "..."}

# %% exercise="12.2" role="check"
ex = exercise("12.2", points=2)
heard = ex.run(load("silent-consumer"), {"alerts.silence": listen}, until="16m")
ex.check(lambda: expect(heard).alert("silence").fires(before="15m"), points=1.5)
ex.check(lambda: expect(heard).that("silence.fired from 0 to 10m").is_(0), points=0.5)
ex.score()

# %% [markdown]
# ### 12.3 How long is long enough?
#
# Your team insists on depth: 500 it is. Find a `for:` with which the alarm keeps silent at the newsletter and still rings when payments
# are slow.

# %% exercise="12.3" role="answer"
patience = ...  # a duration, such as "30s"

# %% exercise="12.3" role="check"
ex = exercise("12.3", points=2)
patient = ex.run(s, {"alerts.depth.for": patience})
ex.check(lambda: expect(patient).that("depth.fired from 0 to 10m").is_(0))
ex.check(lambda: expect(patient).that("depth.fired from 14m").is_(1))
ex.score()
