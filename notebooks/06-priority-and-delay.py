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
# # 06 Priority and delay: starvation, and the task that ran six times
#
# Some messages should come first and some should come later. Both sound like a setting. You will see what the setting
# costs, and where it must stand so that it works at all. About 20 minutes.

# %%
from qsim import expect, load, sweep
from qsim.lab import chart, exercise, explore, predict, show

# %% [markdown]
# ## Question
#
# 5 alarms and 45 reports a second go to one **priority queue**: whoever is free takes an alarm if there is one, else the
# oldest report. Four workers need 100 ms for a message, so they do 40/s. 50/s come: ten a second too many.
#
# **How long does an alarm take, from its sending until it is done? How long does a report?**

# %%
s = load("starvation")
print(s.show("queues", "producers", "consumers"))

# %% [markdown]
# ## Predict
#
# Within which time is a message done, for 95 of 100? Replace each `...` by a time, like `"10s"`.

# %%
predict("notify.latency.urgent p95", ...)
predict("notify.latency.analytics p95", ...)

# %% [markdown]
# ## Run

# %%
r = s.run()
print(r.show())

# %% [markdown]
# ## See

# %%
show(r, "notify.oldest_age.urgent", "notify.oldest_age.analytics");

# %% [markdown]
# An alarm is done within a second, as if there were no overload. Of the reports ten more wait every second, and after ten
# minutes the oldest has waited for about two minutes. All the waiting is theirs.

# %%
expect(r).that("notify.latency.urgent p95").below("1s")
expect(r).that("notify.latency.analytics p95").above("1m")
expect(r).that("notify.visible").grows_at("10/s", within="20%")
expect(r).that("notify.oldest_age.analytics at end").between("1m45s", "2m45s");

# %% [markdown]
# ## Explain
#
# > A priority makes no work quicker. It says **who waits**.
#
# Alarms come first, so they get what they need: 5 of the 40 a second. Reports get what is left, 35/s, and 45/s come. That is
# **starvation**: the low class gets what the high one leaves, and nobody promised it anything.
#
# An alarm is not done at once, for nobody drops what is in hand (the queue is *non-preemptive*). It waits until one of the
# four is free, 25 ms on average, and sometimes for another alarm: 25 ms / (1 - 5/40) = 29 ms. Then it is worked on.
#
# If *everything* is urgent, nothing is. Here 47 of 50 carry the flag, more than the workers do. The urgent ones wait for
# each other, and of the 1,800 reports hardly one gets its turn.

# %%
flags = s.with_variant("everything-is-urgent").run()
expect(r).that("notify.wait.urgent mean").within("20%", of="29ms")
expect(flags).that("notify.latency.urgent p95").above("1m")
expect(flags).that("tracker.sent total").within("15%", of=1_800)
expect(flags).that("notify.received.analytics total").at_most(50);

# %% [markdown]
# ## Change
#
# Priority is kept **by the queue**. What a worker has taken out of it stands in the worker's own line, first come, first
# served. A *prefetch* of 100 lets each take a hundred beforehand, and an alarm goes behind them: 100 × 100 ms are 10 s.

# %%
prefetch = {"consumers.mailer.push.prefetch": [1, 10, 100]}
chart(sweep(s, prefetch, metrics=["notify.latency.urgent p95"]));

# %%
hoard = s.with_variant("prefetch-100").run()
expect(hoard).that("notify.latency.urgent mean from 1m to 10m").within("10%", of="10s");

# %% [markdown]
# Try it: how many workers does it take until the reports do not wait either?

# %%
explore(
    s,
    {"consumers.mailer.count": (2, 10), "consumers.mailer.push.prefetch": (1, 100)},
    show=["notify.oldest_age.urgent", "notify.oldest_age.analytics"],
    numbers=["notify.latency.urgent p95", "notify.latency.analytics p95"],
)

# %% [markdown]
# **Later instead of first.** An e-mail is due in an hour. The *queue* keeps it out of sight until then: it is in nobody's
# hands, and at 1:00:00 sharp a worker gets it.

# %%
mail = load("email-in-an-hour").run()
expect(mail).that("mail.delayed at 59m59s").equals(1)
expect(mail).that("mail.in_flight max from 0 to 1h").equals(0)
expect(mail).that("mail.wait max").equals("1h");

# %% [markdown]
# Or the *worker* keeps it, as Celery does with a countdown: it gets the task at once and holds it until it is due. But what
# a worker holds is on **lease** (lesson 03), here for an hour. The task is due in five and a half. Each hour the lease
# ends, and the next worker gets the task: at 0, 1, 2, 3, 4 and 5 h. When it is due, six hold it, and all six do it.

# %%
eta = load("celery-eta")
held = eta.run()
show(held, "worker.busy")
expect(held).that("tasks.received total").equals(6)
expect(held).that("worker.effects_per_message max").equals(6)
expect(held).that("worker.duplicates total").equals(5);

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run both cells. A check that fails says what happened, why, and where to look.
#
# ### 06.1 Urgent again
#
# Somebody set `prefetch: 100`. Make the alarms quick again, with the four workers there are. (The reports will wait.)

# %% exercise="06.1" role="answer"
quick = ...  # {"consumers.mailer....": ...}

# %% exercise="06.1" role="check"
ex = exercise("06.1", points=2)
alarmed = ex.run(s.with_variant("prefetch-100"), quick, until="5m")
ex.check(lambda: expect(alarmed).that("notify.latency.urgent p95").below("1s"))
ex.check(lambda: expect(alarmed).that("mailer.count").at_most(4), points=0.5)
ex.check(lambda: expect(alarmed).that("notify.latency.analytics p95").above("30s"), points=0.5)
ex.score()

# %% [markdown]
# ### 06.2 A share of its own
#
# `everything-is-urgent`: 47/s urgent ones, 3/s reports, and the reports starve. Give them a queue of their own called
# `reports`, and one of the four workers, called `reporter`. All reports are then done, 99 % of them within 5 s.

# %% exercise="06.2" role="answer"
share = ...  # {"queues.reports": {}, "producers.tracker....": ..., "consumers.reporter": {...}, ...}

# %% exercise="06.2" role="check"
ex = exercise("06.2", points=3)
shared = ex.run(s.with_variant("everything-is-urgent"), share, until="5m")
ex.check(lambda: expect(shared).that("reports.accepted total").equals("tracker.sent total"))
ex.check(lambda: expect(shared).that("reports.latency p99").below("5s"))
ex.check(lambda: expect(shared).that("mailer.count").at_most(3), points=0.5)
ex.check(lambda: expect(shared).that("reporter.count").at_most(1), points=0.5)
ex.score()

# %% [markdown]
# ### 06.3 Once, and on time
#
# Repair the task that ran six times: done once, five and a half hours after it was sent, and in nobody's hands before
# that. (A worker that holds it for hours takes it along when it dies.)

# %% exercise="06.3" role="answer"
later = ...  # {"producers.app.message": {...}} or {"queues.tasks....": ...} or ...

# %% exercise="06.3" role="check"
ex = exercise("06.3", points=2)
once = ex.run(eta, later)
hands = "a worker has the task in hand before it is due: who else could keep it until then?"
ex.check(lambda: expect(once).each_message("tasks").runs_at_most(1))
ex.check(lambda: expect(once).that("tasks.latency max").equals("5h30m1s"), points=0.5)
ex.check(
    lambda: expect(once).that("tasks.in_flight max from 0 to 5h").equals(0),
    points=0.5,
    otherwise=hands,
)
ex.score()
