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
# # 08 SQS standard, FIFO, batching: order has a price
#
# Amazon SQS sells two kinds of queue. One takes everything and promises little; the other promises order, and order has a
# price. And both send a bill for every question, also for those whose answer is "nothing". About 20 minutes.

# %%
from qsim import expect, load, sweep
from qsim.lab import chart, exercise, predict, show

# %% [markdown]
# ## Question
#
# Orders of three big customers go through a FIFO queue; those of one customer must be done in the order in which they
# were sent, so each customer is a **group**. 20 orders a second come, and an order takes half a second. Somebody has
# reckoned well: 20 × 0.5 = 10 workers' worth, so 20 workers are twice as many as are needed.
#
# **How many orders a second get done?**

# %%
s = load("fifo-groups")
print(s.show("producers", "consumers"))

# %% [markdown]
# ## Predict
#
# Replace the `...`.

# %%
predict("worker.throughput mean from 10s to 2m", ...)  # a rate: "20/s"
predict("worker.busy max", ...)  # of the 20 workers

# %% [markdown]
# ## Run

# %%
r = s.run()
print(r.show())

# %% [markdown]
# ## See

# %%
show(r, "worker.busy", "orders.visible")

# %% [markdown]
# Six a second. Three workers are busy and seventeen look on, while 14 orders a second more come than go.

# %%
expect(r).that("worker.throughput mean from 10s to 2m").equals("6/s")
expect(r).that("worker.busy max").equals(3)
expect(r).in_order("orders", by="group")
expect(r).that("orders.visible").grows_at("14/s", within="2%");

# %% [markdown]
# ## Explain
#
# A FIFO queue gives out the next order of a group only when the one before it is done and deleted. If it did not, a quick
# worker could overtake a slow one. So of each group *one* order is in hand at a time, and three groups keep three workers
# busy: 3 / 0.5 s = 6/s. More workers change nothing. More groups do:

# %%
groups = {"producers.shop.message.group.keys": [1, 3, 10, 30, 100]}
chart(sweep(s, groups, metrics=["worker.throughput mean from 10s to 2m"]));

# %% [markdown]
# Order is paid for group by group. A group for each *customer* is cheap where there are many customers; a group for the
# whole shop makes one worker of all twenty.
#
# A bad order shows the same from the other side. It fails, its lease has to end (30 s), three times over; the others of
# its group stand behind it for 90 s. The other 19 groups do not notice.

# %%
bad = load("poison-blocks-a-group").run()
expect(bad).that("orders.received poison total").equals(3)
expect(bad).that("orders.wait max").between("70s", "90s")
expect(bad).that("orders.wait p50").equals("0s");

# %% [markdown]
# **What the standard queue does instead.** It hands out each message *at least* once and *roughly* in order. Here one
# delivery in a hundred comes twice, though nothing failed, and one receive in twenty passes a message over. (Amazon names
# no shares; these are larger than what one sees.) More than one order in twenty is received after a later one. A consumer
# that records what it did, in one step with doing it, does not mind the doubles.

# %%
standard = load("sqs-standard-vs-fifo").run()
expect(standard).that("orders.redelivered total").between(50, 150)
expect(standard).that("orders.out_of_order share").above("5%")
expect(standard).that("worker.effects_per_message max").equals(1);

# %% [markdown]
# ## Change
#
# A FIFO queue takes 300 calls a second. A shop that offers twice as much with one order a call has every other one
# refused. With ten orders in a call, ten times as many get in.

# %%
limit = load("fifo-throughput")
single = limit.run()
tens = limit.with_variant("batches-of-ten").run()
expect(single).that("orders.accepted total from 3s to 6s").equals(900)
expect(single).that("shop.rejected total from 3s to 6s").equals(900)
expect(tens).that("orders.accepted total from 3s to 6s").equals(9_000);

# %% [markdown]
# **The bill.** One job every ten seconds, and a worker that asks once a second ("short poll"): in an hour 3,564 of its
# questions are answered with nothing, and each costs as much as the 360 that got a job. With a **long poll** the question
# waits at the queue, up to 20 s, until there is an answer: no empty answers at all, and the job is there at once.

# %%
p = load("short-vs-long-poll")
short = p.run()
long = p.with_variant("long-poll").run()
expect(short).that("jobs.empty_receives total").equals(3_564)
expect(short).that("worker.calls total").equals(4_284)
expect(long).that("jobs.empty_receives total").equals(0)
expect(long).that("worker.calls total").equals(720)
expect(long).that("jobs.wait max").equals("0s");

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run both cells. A check that fails says what happened, why, and where to look.
#
# ### 08.1 In order, please
#
# Make the orders of the standard queue above come in order within each of 100 customers.

# %% exercise="08.1" role="answer"
ordered = ...  # {"queues.orders": ..., "producers.shop.message": ...}

# %% exercise="08.1" role="check"
ex = exercise("08.1", points=2)
fifo = ex.run(load("sqs-standard-vs-fifo"), ordered)
ex.check(lambda: expect(fifo).in_order("orders", by="group"))
ex.check(lambda: expect(fifo).that("orders.acked total").equals(10_000), points=0.5)
ex.score()

# %% [markdown]
# ### 08.2 What five groups can do
#
# The shop of the beginning has five groups instead of three. How many orders a second get done? (No run is needed.)

# %% exercise="08.2" role="answer"
with_five = ...  # "how many/s"

# %% exercise="08.2" role="check"
ex = exercise("08.2", points=2)
ex.predicted(with_five)
five = ex.run(s, {"producers.shop.message.group.keys": 5})
ex.check(
    lambda: expect(five).that("worker.throughput mean from 10s to 2m").within("1%", of=with_five),
    otherwise="a group has one order in work at a time, however many workers there are",
)
ex.score()

# %% [markdown]
# ### 08.3 The smallest bill
#
# At most 800 calls in the hour, and 95 % of the jobs wait less than a second.

# %% exercise="08.3" role="answer"
cheap = ...  # {"consumers.worker.poll": {...}}

# %% exercise="08.3" role="check"
ex = exercise("08.3", points=2)
polled = ex.run(p, cheap)
ex.check(lambda: expect(polled).that("worker.calls total").at_most(800))
ex.check(lambda: expect(polled).that("jobs.wait p95").below("1s"))
ex.score()
