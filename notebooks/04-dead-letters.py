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
# # 04 Dead letters: five bad messages stop five workers
#
# A message that fails whenever it is tried is called *poison*. You will see it stop a queue, put it away, and bring it back
# at the wrong moment. About 25 minutes.

# %%
from qsim import expect, load, sweep
from qsim.lab import chart, exercise, explore, predict, show

# %% [markdown]
# ## Question
#
# Five workers, 100 ms a job: they can do 50 jobs a second, and 20 arrive. A worker that fails gives the job back (it
# *nacks* it), and the queue puts it back in its place, at the head, so that nobody is overtaken. That is only fair.
#
# From 1:00 on somebody sends a job with a broken picture in it, one every ten seconds: it fails on every worker, always.
#
# **How many such jobs does it take to stop the queue?**

# %%
s = load("poison-blocks-the-queue").set(
    {
        "producers.api.rate": "20/s",
        "consumers.worker.count": 5,
        "producers.api.message.poison.first": 5,
        "expect": None,
    }
)
print(s.show("queues", "producers", "consumers"))

# %% [markdown]
# ## Predict
#
# With **five** bad jobs among 12,000: how many jobs wait after ten minutes? And what share of their time do the workers
# then spend on the bad ones?

# %%
predict("jobs.visible at end", ...)  # jobs
predict("worker.time_on_poison at end", ...)  # a share, like "10%"

# %% [markdown]
# ## Run

# %%
r = s.run()
print(r.show())

# %% [markdown]
# ## See

# %%
show(r, "jobs.visible", "worker.throughput", "worker.time_on_poison")

# %% [markdown]
# The first bad job comes at 1:00, the fifth at 1:40. For half a minute there is nothing to see: throughput is 20/s as
# before. At 1:40 it is 0, and stays 0. The workers are busy 100 % of the time, all of it on five jobs, and the queue
# grows by 20/s, from 4,000 at 5:00 to 9,999 at 10:00, although nothing is wrong with the other 11,995.

# %%
expect(r).that("worker.throughput mean from 1m to 1m30s").within("2%", of="20/s")
expect(r).that("worker.effects total from 2m").is_(0)
expect(r).that("worker.utilization mean from 2m").is_("100%")
expect(r).that("worker.time_on_poison mean from 2m").is_("100%")
expect(r).that("jobs.visible at 5m").equals(4_000)
expect(r).that("jobs.visible at end").equals(9_999);

# %% [markdown]
# ## Explain
#
# ### As many as there are workers
#
# The head of the queue is where the next worker looks. A bad job that goes back to the head is the next job of whoever is
# free first, so **each bad job takes one worker, for ever**. The traffic does not matter, nor how good the others are:

# %%
first = {"producers.api.message.poison.first": [1, 2, 3, 4, 5, 6]}
counts = sweep(s, first, metrics=["worker.throughput mean from 5m", "jobs.visible at end"])
chart(counts)
three = s.set("producers.api.message.poison.first", 3).run()
four = s.set("producers.api.message.poison.first", 4).run()
expect(three).that("worker.throughput mean from 5m").within("1%", of="20/s")
expect(four).that("worker.throughput mean from 5m").within("1%", of="10/s");

# %% [markdown]
# Three bad jobs leave two workers, which is just enough for 20/s: the dashboard is green. The fourth halves the
# throughput, the fifth ends it.
#
# ### A dead-letter queue
#
# The cure is to count. After `max_receives` receives a job is not handed out again but moved to another queue, the
# **dead-letter queue** (DLQ), where it harms nobody and waits for a person. Five bad jobs and three receives each cost 15
# receives, and that is all they ever cost:

# %%
cured = s.set("queues.jobs.dlq", {"queue": "jobs-dlq", "max_receives": 3}).run()
show(cured, "jobs.visible", "jobs-dlq.visible")
expect(cured).that("jobs.received poison total").is_(15)
expect(cured).that("jobs-dlq.visible at end").is_(5)
expect(cured).that("worker.throughput mean from 2m").within("1%", of="20/s");

# %% [markdown]
# ### Receives are not failures
#
# The queue counts *receives*. It does not know why a job came back: poison, a network that was down, a worker that was
# restarted. If each attempt fails by bad luck with probability p, a good job fails n times in a row with probability pⁿ, and
# is taken for poison. With p = 20 % and three receives that is 0.2³ = 0.8 % of all *good* jobs, with 50 % it is 12.5 %.

# %%
unlucky = load("poison-pill").set(
    {
        "producers.api.message.poison": None,  # no bad job at all
        "consumers.worker.count": 20,  # and workers enough
        "consumers.worker.failures.error": "20%",
        "timeline": None,
        "expect": None,
        "run": {"duration": "30m", "drain": "5m"},
    }
)
fifth = unlucky.run()
half = unlucky.set("consumers.worker.failures.error", "50%").run()
expect(fifth).that("jobs.dead_lettered total").within("20%", of=0.2**3 * 36_000)
expect(half).that("jobs.dead_lettered total").within("5%", of=0.5**3 * 36_000);

# %% [markdown]
# So `max_receives` is a filter with two kinds of mistakes: small, and good jobs are put away; large, and each bad one costs
# more work. And a DLQ that nobody looks at is a slow way of losing messages: it needs an alert on *anything above 0*.
#
# ## Change
#
# Another scenario with all of it: ten bad jobs at 2:00, the bug is fixed at 20:00, and at 25:00 the operators *redrive*: they
# move what lies in the DLQ back into the queue, five a second. Failed jobs come back after a growing pause (backoff) here,
# and no longer block the head.

# %%
whole = load("poison-pill")
story = whole.run()
show(story, "jobs-dlq.visible", "jobs.visible")
expect(story).that("jobs.received poison at 20m").equals(30)
expect(story).that("jobs.dead_lettered poison at 20m").equals(10)
expect(story).that("dlq-not-empty.first_fired").between("2m", "3m")
expect(story).that("jobs-dlq.visible at end").equals(0)
expect(story).no_message_lost();

# %% [markdown]
# Move the moment of the redrive before and after 20:00, and see how often a bad job is received.

# %%
explore(
    whole,
    {"timeline.replay.at": ("10m", "30m"), "queues.jobs.dlq.max_receives": (1, 10)},
    show=["jobs-dlq.visible"],
    numbers=["jobs.received poison total", "jobs.dead_lettered total", "jobs-dlq.visible at end"],
)

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run both cells. A check that fails says what happened, why, and where to look.

# %% [markdown]
# ### 04.1 The price of poison
#
# `poison-pill` again, with `max_receives: 5` instead of 3. By 10:00, how often were bad jobs received, and how many were
# dead-lettered? (Ten bad jobs. No run is needed.)

# %% exercise="04.1" role="answer"
receives = ...
dead_letters = ...

# %% exercise="04.1" role="check"
ex = exercise("04.1", points=2)
ex.predicted(receives, dead_letters)
five = ex.run(whole, {"queues.jobs.dlq.max_receives": 5}, until="10m")
ex.check(
    lambda: expect(five).that("jobs.received poison at end").equals(receives),
    otherwise=(
        "each bad job is received as often as max_receives says, and every receive counts: the "
        "last one too"
    ),
)
ex.check(
    lambda: expect(five).that("jobs.dead_lettered poison at end").equals(dead_letters),
    otherwise="a job is dead-lettered once, however often it was received before",
)
ex.score()

# %% [markdown]
# ### 04.2 A filter with two mistakes
#
# Now one attempt in ten fails by bad luck. Choose `max_receives` so that of the 36,000 jobs no more than 22 are
# dead-lettered in all (the ten bad ones, and at most one good one in 3,000), and the ten bad ones are received at most 40 times.

# %%
noisy = whole.set(
    {
        "consumers.worker.failures.error": "10%",
        "timeline": None,
        "run.drain": None,
        "expect": None,
    }
)

# %% exercise="04.2" role="answer"
patience = ...  # {"queues.jobs.dlq.max_receives": how many}

# %% exercise="04.2" role="check"
ex = exercise("04.2", points=3)
filtered = ex.run(noisy, patience)
ex.check(lambda: expect(filtered).that("jobs.dead_lettered total").at_most(22))
ex.check(lambda: expect(filtered).that("jobs.received poison total").at_most(40))
ex.score()

# %% [markdown]
# ### 04.3 Bring them back
#
# Somebody replays the DLQ at 15:00, and the ten are back in it within a minute. Correct the replay, so that the DLQ is empty
# at the end, no job is dead-lettered twice, and nothing in the queue gets older than 30 s after 15:00.

# %%
early = whole.with_variant("replay-too-early")

# %% exercise="04.3" role="answer"
replay = ...  # {"timeline.replay...": ...}

# %% exercise="04.3" role="check"
ex = exercise("04.3", points=3)
redriven = ex.run(early, replay)
ex.check(lambda: expect(redriven).that("jobs-dlq.visible at end").equals(0))
ex.check(lambda: expect(redriven).that("jobs.dead_lettered poison total").at_most(10))
ex.check(lambda: expect(redriven).that("jobs.oldest_age max from 15m").below("30s"), points=0.5)
ex.score()
