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
# # 02 Delivery guarantees: the textbook consumer charges twice
#
# Where a consumer says "done" decides what a crash costs: a message that is lost, or one that is done twice. You will
# write a consumer that survives both, and have it killed at every line. About 25 minutes.

# %%
from qsim import expect, load, sweep
from qsim.lab import chart, exercise, feedback, predict

# %% [markdown]
# ## Question
#
# 1,000 jobs. One attempt in ten kills its worker. In one shop the worker acknowledges a job **before** it begins, in the
# other **after** it is done (there the crash strikes just before the ack, as late as it can).
#
# **How many jobs are lost, and how many are done twice, here and there?**

# %%
before = load("ack-before")
after = load("ack-after")

# %% [markdown]
# ## Predict
#
# Replace the `...`.

# %%
predict("jobs.lost total", ...)  # ack before the work
predict("worker.duplicates total", ...)  # ack after the work

# %% [markdown]
# ## Run

# %%
at_most = before.run()
at_least = after.run()
print(at_most.show(), at_least.show(), sep="\n\n")

# %% [markdown]
# ## See
#
# Ack before the work: about one job in ten is gone for ever, and none is done twice. Each death costs one job. Ack after
# the work: none is gone, and each death makes one job be done again.

# %%
expect(at_most).at_most_once("jobs")
expect(at_most).that("jobs.lost total").between(60, 140)
expect(at_most).that("jobs.lost total").equals("worker.interrupted total")
expect(at_least).at_least_once("jobs")
expect(at_least).no_message_lost()
expect(at_least).that("worker.duplicates total").between(65, 160)
expect(at_least).that("worker.duplicates total").equals("worker.interrupted total");

# %% [markdown]
# ## Explain
#
# The queue cannot see work. It hears an ack, or it hears nothing, and nothing has two meanings: *died before* and *died
# after*. Whoever deletes a message before the work may lose it: **at most once**. Whoever deletes it after the work may
# have to repeat it: **at least once**. No place for the ack gives both, because between the work and the ack there is
# always an instant, and a crash needs no more.
#
# So an effect happens exactly once only if a *second delivery does no harm*. The consumer has to be **idempotent**. This
# is how many write it: look whether it was done, do it, write down that it was done.

# %%
def textbook(message, store):
    if store.exists(message.id):
        return
    store.charge(message.order)
    store.put(message.id, True)


# %% [markdown]
# ### Between charge and record
#
# It charges twice. The simulator runs your function as a consumer of the queue and kills its process between any two
# calls, lets leases end, sends messages twice and in another order, and looks at what the payment service was told:

# %%
feedback(lambda: expect.handler(textbook, scenario="duplicates").charges_each_order_once())

# %% [markdown]
# The look and the record are *two* moments, and the charge lies between them. Killed after the charge and before the
# record, it leaves a charge that nobody knows of.

# %% [markdown]
# ## Change
#
# What a guarantee costs grows with how often workers die. Lost jobs, with the ack before the work, and jobs done twice,
# with the ack after it:

# %%
deaths = {"consumers.worker.failures.crash": ["0%", "5%", "10%", "20%"]}
chart(sweep(before, deaths, metrics=["jobs.lost total"]))
chart(sweep(after, deaths, metrics=["worker.duplicates total"]));

# %% [markdown]
# 3,000 payments, workers that die after the charge in 2 % of attempts, and charges that sometimes take longer than the
# lease of 5 s: then two workers are at one payment at once, and both find no record. The consumer that looks first
# charges dozens of customers twice. A heartbeat that keeps the lease closes this second hole, and not the first. A charge
# that is its own record closes both.

# %%
d = load("duplicates")
looks_first = d.run()
heartbeat = d.with_variant("heartbeat").run()
atomic = d.with_variant("atomic").run()
expect(looks_first).that("charge.duplicates total").above(36)
expect(looks_first).that("charge.duplicates total").above("charge.interrupted total")
expect(heartbeat).that("charge.duplicates total").equals("charge.interrupted total")
expect(atomic).each_message("payments").runs_at_most(1)
expect(atomic).no_message_lost();

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run both cells. A check that fails says what happened, why, and where to look.
#
# ### 02.1 Which is which?
#
# A metric may be lost now and then, but must never be counted twice. A bill may be sent twice, but must not be lost.
# Workers die at work in 10 % of attempts. Give each the guarantee it needs: `"at-most-once"` or `"at-least-once"`.

# %% exercise="02.1" role="answer"
for_metrics = ...
for_bills = ...

# %% exercise="02.1" role="check"
ex = exercise("02.1", points=2)
ex.answered(for_metrics, for_bills)
metrics = ex.run(after, {"consumers.worker.guarantee": for_metrics})
bills = ex.run(before, {"consumers.worker.guarantee": for_bills})
ex.check(lambda: expect(metrics).at_most_once("jobs"))
ex.check(lambda: expect(bills).no_message_lost())
ex.score()

# %% [markdown]
# ### 02.2 A consumer that survives everything
#
# Write `handle(message, store)` so that each order is charged exactly once, whatever happens. You have
# `message.id` (of this message), `message.order` (what it is about), `store.exists(key)`, `store.get(key)`,
# `store.put(key, value)`, `store.add(key)` (True only for the first), `with store.transaction():`, and
# `store.charge(order, key=...)`: with a key, the payment service charges once for each key, however often it is told.
# (There is `store.book(order)` too: a charge that is a row of the same database, so that a transaction covers it.)

# %% exercise="02.2" role="answer"
handle = ...  # def handle(message, store): ...

# %% exercise="02.2" role="check"
ex = exercise("02.2", points=4)
ex.answered(handle)
ex.check(lambda: expect.handler(handle, scenario="duplicates").charges_each_order_once())
ex.score()

# %% [markdown]
# ### 02.3 How long to remember
#
# Records cannot be kept for ever. For how long must the atomic consumer remember a payment, so that none is charged
# twice? (The lease is 5 s. How long after the charge can the message come again, and what does a second crash do?)

# %% exercise="02.3" role="answer"
remember = ...  # {"consumers.charge.idempotent": {"remember": "..."}}

# %% exercise="02.3" role="check"
ex = exercise("02.3", points=2)
window = ex.run(d, remember)
ex.check(lambda: expect(window).each_message("payments").runs_at_most(1))
ex.score()
