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
# # 10 Black Friday: the slow five minutes cost more than the spike
#
# Ten times the traffic, an autoscaler, and a service that gets slow at the worst moment. You will see which of them fills the
# queue, and what empties it again. About 25 minutes.

# %%
from qsim import expect, load
from qsim.lab import exercise, explore, predict, show

# %% [markdown]
# ## Question
#
# At minute 30 the orders go from 20/s to 200/s, within five minutes, and stay there for an hour. An order takes 50 ms of work and a
# call to the payment service, 188 ms on average. There are 6 consumers, and an autoscaler that may make them 60. It is no magician:
# once a minute it looks at the queue as it was a minute ago, and what it orders takes work 90 s later.
#
# At minute 50 the payment service becomes three times slower, for five minutes.
#
# **Which of the two makes the longer queue: the spike, or the slow five minutes?**

# %%
s = load("black-friday")  # a shop at a tenth of its size
print(s.show("producers", "consumers", "dependencies", "timeline", "alerts"))

# %% [markdown]
# ## Predict

# %%
predict("orders.visible max from 30m to 50m", ...)  # how many wait because of the spike?
predict("orders.visible max from 50m to 1h", ...)  # and because of the slow payments?
predict("orders.drained_at", ...)  # when does nobody wait any more, like "70m"?

# %% [markdown]
# ## Run
#
# A million messages: have a little patience.

# %%
r = s.run(until="105m")

# %% [markdown]
# ## See

# %%
show(r, "orders.visible", "orders.oldest_age", "fulfil.count")

# %%
r.plot("web.rate", "fulfil.throughput");

# %% [markdown]
# The spike makes **some 17,000** orders wait, and the autoscaler deals with it. The slow payments, at a traffic that has not
# changed for a quarter of an hour, make it **more than 43,000**. Then it takes until **minute 100** before the queue is empty: three
# quarters of an hour for five bad minutes.

# %%
expect(r).that("orders.visible max from 30m to 50m").within("10%", of=17_300)
expect(r).that("orders.visible max from 50m to 1h").within("10%", of=43_400)
expect(r).that("orders.drained_at").within("5%", of="100m");

# %% [markdown]
# And the alarms? The one on depth rings at **33 min 16 s**, for the spike that was taken care of. The one on age rings at **53 min
# 29 s**, when customers really wait.

# %%
expect(r).that("depth.first_fired").within("1%", of="33m 16s")
expect(r).that("oldest-age.first_fired").within("1%", of="53m 29s")
r.plot("alerts");

# %% [markdown]
# ## Explain
#
# ### Backlog per consumer
#
# How many consumers does a queue need? The autoscaler turns a promise into a number. Ten seconds are an acceptable wait; a consumer does
# an order in 237 ms; so each may have 10 / 0.237 = **42 orders** waiting for it. With 3,830 waiting, it wants 92, and gets the 60 that are
# allowed.

# %%
assert round(10 / (0.050 + 0.188)) == 42
assert round(3_830 / 42 + 0.5) == 92
expect(r).that("orders.visible at 32m").within("10%", of=3_830)
expect(r).that("fulfil.count at 33m").equals(60);

# %% [markdown]
# ### What is late about it
#
# The spike begins at 30:00. The look at 31:00 sees some 800 orders and is acted on at 32:00: 13 more. The look at 32:00 is acted on at
# 33:00: all 60. They take work at **34:30**. Until then the queue grows as if there were no autoscaler: *metric lag + looking
# interval + start-up* are what a spike costs, and no `max` changes it.

# %%
expect(r).that("fulfil.count at 30m").equals(6)
expect(r).that("orders.visible at 31m").within("10%", of=800)
expect(r).that("fulfil.count at 32m").within("10%", of=19)
expect(r).that("fulfil.throughput mean from 35m to 36m").within("5%", of="213/s")
expect(r).that("fulfil.throughput mean from 30m to 33m").within("10%", of="25/s");

# %% [markdown]
# ### Spare capacity, and the drain
#
# A backlog is emptied by what is left over:
#
# > time to drain = backlog / (capacity − arrivals)
#
# 60 consumers finish **213/s** and 200/s arrive: **13/s** are to spare. While the payments are slow they finish **71/s**, so 129/s stay
# behind, 38,700 in five minutes, on top of what was left of the spike. At 13/s those 43,400 would need 54 minutes; it goes a little quicker
# only because the peak ends at minute 95.

# %%
expect(r).that("fulfil.throughput mean from 56m to 90m").within("2%", of="213/s")
expect(r).that("fulfil.throughput mean from 50m to 55m").within("2%", of="71/s")
assert (200 - 71) * 300 == 38_700
assert round(43_400 / (213.3 - 200) / 60) == 54

# %% [markdown]
# ### How old is the oldest?
#
# The head of the line has seen the whole line come: at 200/s, 43,400 orders are **217 s**. But the oldest of all was **4 min 35 s** old.
# Its consumer crashed. It lay invisible for the minute of its visibility timeout, and then was older than the head of the line
# (lesson 03). So an alarm on the oldest needs its `for: 1m`: one such order is no incident.

# %%
assert round(43_400 / 200) == 217
expect(r).that("orders.wait max from 50m to 1h").within("5%", of="217s")  # to the first receive
expect(r).that("orders.oldest_age max").within("5%", of="275s");

# %% [markdown]
# ### Too few, for an hour
#
# The same shop with 30 consumers at most. It is a hundredth now, and each consumer ten times as slow: the same times, at a tenth
# of the messages. 12.6/s of capacity and 20/s of traffic: the queue grows for an hour, and then is emptied at 12.6 − 4 a second.

# %%
small = load("black-friday-small")
thirty = small.with_variant("thirty").run(until="175m")
show(thirty, "orders.visible", "orders.oldest_age", "fulfil.count")

# %% [markdown]
# It is empty **74 minutes** after the peak was over, and the oldest order waited for **44 minutes**. The spike of five minutes is not
# what one sees in this picture.

# %%
expect(thirty).that("fulfil.throughput mean from 1h to 95m").within("1%", of="12.6/s")
expect(thirty).that("orders.drained_at").within("2%", of="169m")  # the peak ends at 95m
expect(thirty).that("orders.oldest_age max").within("5%", of="44m");

# %% [markdown]
# ## Change
#
# **Without the slow five minutes** all should be well. Is it?

# %%
calm = small.set("timeline", {}).run(until="100m")
show(calm, "orders.visible", "orders.oldest_age", "fulfil.count")

# %% [markdown]
# The queue gets empty before the hour is over, in the middle of the peak. The autoscaler sees an empty queue and sends consumers
# home, though 20/s still come. The queue fills, it calls them back, they start for 90 s: the backlog of **its own making** is as long
# as that of the spike, or longer. That is called hunting. A backlog tells how much is to be done; it does not tell how many consumers keep it empty.

# %%
expect(calm).that("orders.visible max from 30m to 50m").within("15%", of=1_600)
expect(calm).that("orders.visible max from 1h to 100m").above(1_600)
expect(calm).that("fulfil.count min from 56m to 95m").below(50);

# %% [markdown]
# Move the sliders, here with a peak of half an hour: what does a quicker start buy, what does a larger `max`, and what do they cost?

# %%
short = small.with_variant("short")
explore(
    short,
    {"consumers.fulfil.autoscale.max": (20, 120), "consumers.fulfil.autoscale.startup": ("10s", "5m")},
    show=["orders.visible", "orders.oldest_age", "fulfil.count"],
    numbers=["orders.oldest_age max", "orders.drained_at", "fulfil.consumer_hours total"],
)

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run both cells. A check that fails says what happened, why, and where to look.
#
# All of them are about the short day: the same ramp at minute 30, slow payments from 45 to 50, the peak is over at 65, and from minute 70 on
# 4 orders a second come. It ends at 2:10. There are 30 consumers at most.

# %%
few = short.set({"consumers.fulfil.autoscale.max": 30, "expect": None})

# %% [markdown]
# ### 10.1 A promise and a budget
#
# No order may get older than six minutes, and you can pay for 90 consumer-hours. Change what you like about the consumers
# and their autoscaler, but not how quick they are.

# %% exercise="10.1" role="answer"
scaled = ...  # {"consumers.fulfil.autoscale...": ...}

# %% exercise="10.1" role="check"
ex = exercise("10.1", points=2)
fix = ex.run(few, scaled)
ex.check(lambda: expect(fix).that("orders.oldest_age max").below("6m"))
ex.check(lambda: expect(fix).that("fulfil.consumer_hours total").at_most(90))
ex.score()

# %% [markdown]
# ### 10.2 When will it be over?
#
# It is minute 70, the peak is over, and there are 30 consumers. This is what you see:

# %%
print(few.run(until="70m").show())

# %% [markdown]
# Your manager asks when the queue will be empty. How many minutes from now on? Give or take a fifth.

# %% exercise="10.2" role="answer"
minutes = ...  # a number

# %% exercise="10.2" role="check"
ex = exercise("10.2", points=2)
ex.answered(minutes)
rest = ex.run(few)
ex.check(
    lambda: expect(rest)
    .that("orders.drained_at")
    .between(f"{70 + minutes / 1.2:.1f}m", f"{70 + minutes / 0.8:.1f}m"),
    otherwise="a queue is emptied by what the consumers can do, less what goes on arriving",
)
ex.score()

# %% [markdown]
# ### 10.3 More does not help
#
# The queue waits for more consumers, it seems, so let there be 120. What keeps the orders waiting now? And how many does the shop finish
# a second during the peak, before the payments get slow?

# %% exercise="10.3" role="answer"
keeper = ...  # the name of a consumer or dependency: "..."
finished = ...  # a rate, such as "50/s"

# %% exercise="10.3" role="check"
ex = exercise("10.3", points=2)
ex.answered(keeper, finished)
more = ex.run(short, {"consumers.fulfil.autoscale.max": 120})
ex.check(lambda: expect(more).bottleneck().is_(keeper))
ex.check(lambda: expect(more).that("fulfil.throughput mean from 37m to 45m").within("7%", of=finished))
ex.score()
