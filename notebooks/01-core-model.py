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
# # 01 Core model: growth is a difference
#
# You will send, receive and acknowledge messages, and find that one subtraction says how a queue will look in an hour.
# About 20 minutes.

# %%
from qsim import expect, load, sweep
from qsim.lab import chart, exercise, explore, predict, show

# %% [markdown]
# ## Question
#
# A shop puts 1,000 orders a second into a queue. Eight workers take them out; each needs 10 ms for one order.
# Nobody crashes, nothing is slow, and the shop's own answer to a customer is as quick as ever.
#
# **Is anything wrong? How would you notice?**
#
# The words that every lesson uses:
#
# * A **producer** *sends* a message to a **queue**. It does not wait for the work to be done.
# * A **consumer** *receives* the message. From then on it is **in flight**: nobody else gets it, and it is not yet gone.
# * When the work is done the consumer *acknowledges* it (**ack**), and the queue deletes it.
# * A message that waits to be received is **visible**. The **depth** of a queue is what is visible plus what is in flight
#   (and what is delayed or deferred; there is none of that here).

# %%
s = load("backlog-growth")
print(s.show("queues", "producers", "consumers"))

# %% [markdown]
# ## Predict
#
# Replace each `...` before you go on. A wrong guess costs nothing: it is drawn beside what happens.

# %%
predict("orders.visible at end", ...)  # how many messages wait after 10 minutes?
predict("orders.oldest_age at end", ...)  # how many seconds old is the oldest of them?

# %% [markdown]
# ## Run

# %%
r = s.run()
print(r.show())

# %% [markdown]
# ## See

# %%
show(r, "orders.visible", "orders.oldest_age")

# %% [markdown]
# Two straight lines. The queue grows by 200 messages a second, every second, and after ten minutes exactly 120,000 wait.
# Eight are in flight: one in the hands of each worker. The oldest has waited for 120 s.

# %%
expect(r).that("orders.visible").grows_at("200/s", within="0.1%")
expect(r).that("orders.visible at end").equals(120_000)
expect(r).that("orders.in_flight at end").equals(8)
expect(r).that("orders.oldest_age at end").within("0.1%", of="120s");

# %% [markdown]
# And what does the shop notice? Nothing. Every send was answered at once, no message was rejected, none was lost. All
# eight workers are busy, and they finish 800 orders a second, minute after minute. On a dashboard without the queue all
# of this looks like a good day.

# %%
expect(r).that("shop.send_time max").is_("0s")
expect(r).that("shop.rejected total").is_(0)
expect(r).no_message_lost()
expect(r).that("worker.utilization mean").above("99.9%")
expect(r).that("worker.throughput mean").within("0.1%", of="800/s");

# %% [markdown]
# ## Explain
#
# One worker needs 10 ms, so it finishes 1 / 0.010 s = 100 orders a second. Eight finish μ = 800/s; λ = 1,000/s arrive.
#
# > **growth = arrivals − departures** = λ − μ = 1,000/s − 800/s = 200 messages a second
#
# That is all. No percentage, no average, no cleverness: what comes in and does not go out is there.
#
# ### Growth is a difference
#
# * **A difference keeps no memory of its terms.** 1,000 − 800 and 10,200 − 10,000 grow alike.
# * **A small change of a term is a large change of the difference.** One more worker (+12.5 %) halves the growth.
# * **It has a sign.** With 11 workers the difference is −100/s: a backlog shrinks by 100/s, and at 0 it stays.
#
# ### Age is not depth
#
# The message that is sent *now* stands behind 120,000 others, and the workers take 800 of them a second: it will wait
# 120,000 / 800 = 150 s. The oldest message *in* the queue is younger than that, 120 s: when it was sent, the queue was
# shorter. Let the producers stop, and the workers empty the queue:

# %%
emptied = s.set("run.drain", "10m").run()
show(emptied, "orders.visible", "orders.oldest_age")
expect(emptied).that("orders.wait max").within("0.1%", of="150s")
expect(emptied).that("orders.drained_at").within("0.1%", of="750s");  # 10 minutes, and 150 s

# %% [markdown]
# ## Change
#
# Move the sliders. Find the place where the line tips over, and notice how near "almost enough" is to it.

# %%
explore(
    s,
    {"consumers.worker.count": (6, 14), "producers.shop.rate": ("800/s", "1200/s")},
    show=["orders.visible", "orders.oldest_age"],
)

# %% [markdown]
# The backlog after one minute, for 7 to 13 workers. Up to ten, each worker less costs 6,000 waiting messages a minute;
# beyond ten there is nothing left to gain. Ten are busy 100 % of the time and nothing waits: that is possible only because
# orders come here as even as a clock ticks. Exercise 01.3 takes the clock away.

# %%
minute = s.set("run.duration", "1m")
workers = sweep(
    minute,
    {"consumers.worker.count": range(7, 14)},
    metrics=["orders.visible at end", "worker.utilization mean"],
)
chart(workers)
expect(minute.set("consumers.worker.count", 9).run()).that("orders.visible at end").equals(6_000)
ten = minute.set("consumers.worker.count", 10).run()
expect(ten).that("orders.visible at end").equals(0)
expect(ten).that("worker.utilization mean").above("99.9%");

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run both cells. A check that fails says what happened, why, and where to look.

# %%
short = s.set("run.duration", "30s")  # half a minute shows all that ten do

# %% [markdown]
# ### 01.1 Say it before it happens
#
# One worker is added: nine. How many messages wait after **half a minute**, and how many are in flight? (No run is needed.)

# %% exercise="01.1" role="answer"
waiting = ...  # messages
in_flight = ...  # messages

# %% exercise="01.1" role="check"
ex = exercise("01.1", points=2)
ex.predicted(waiting, in_flight)
nine = ex.run(short, {"consumers.worker.count": 9})
ex.check(
    lambda: expect(nine).that("orders.visible at end").equals(waiting),
    otherwise="what came in half a minute, less what nine workers can do in it",
)
ex.check(
    lambda: expect(nine).that("orders.in_flight at end").equals(in_flight),
    otherwise="what a worker has in hands is not acked yet, and always-busy workers have one each",
)
ex.score()

# %% [markdown]
# ### 01.2 The fewest workers
#
# As few workers as possible, and no backlog that grows.

# %% exercise="01.2" role="answer"
enough = ...  # {"consumers.worker.count": how many}

# %% exercise="01.2" role="check"
ex = exercise("01.2", points=2)
fix = ex.run(short, enough)
ex.check(lambda: expect(fix).stable("orders"))
ex.check(lambda: expect(fix).that("worker.count").at_most(10), points=0.5)
ex.score()

# %% [markdown]
# ### 01.3 The fewest workers on a real day
#
# Customers do not order every millisecond on the dot. With `arrivals: poisson` there are still 1,000/s *on average*, but
# some seconds bring more and some fewer. As few workers as possible, so that 95 % of the messages wait less than 50 ms.

# %% exercise="01.3" role="answer"
enough_for_chance = ...  # {"consumers.worker.count": how many}

# %% exercise="01.3" role="check"
ex = exercise("01.3", points=2)
chance = ex.run(s.set({"producers.shop.arrivals": "poisson", "run.duration": "1m"}), enough_for_chance)
ex.check(lambda: expect(chance).that("orders.wait p95").below("50ms"))
ex.check(lambda: expect(chance).that("worker.count").at_most(11), points=0.5)
ex.score()

# %% [markdown]
# ### 01.4 A growth to order
#
# Eight workers again. At which rate must the shop send, so that the queue grows by exactly 50 messages a second?

# %% exercise="01.4" role="answer"
slower = ...  # {"producers.shop.rate": "how many/s"}

# %% exercise="01.4" role="check"
ex = exercise("01.4", points=2)
growing = ex.run(short, slower)
ex.check(lambda: expect(growing).that("orders.visible").grows_at("50/s", within="1%"))
ex.check(lambda: expect(growing).that("worker.count").equals(8), points=0.5)
ex.score()
