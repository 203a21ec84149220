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
# # 05 Work queue or fan-out: sharing work or sharing news
#
# Two things are called "several consumers", and they are opposites. You will tell them apart by counting, and find a
# mistake that no alarm reports. About 20 minutes.

# %%
from qsim import expect, load
from qsim.lab import exercise, predict, show

# %% [markdown]
# ## Question
#
# 30 messages a second, and 20 ms of work for each. Once they go to **one queue with three workers**. Once they go to a
# **topic with three subscriptions**: each has a queue and one consumer of its own (mails, audits, search).
#
# **How busy is one of the three, here and there?**

# %%
s = load("work-queue-and-fan-out")
print(s.show("topics", "consumers"))

# %% [markdown]
# ## Predict
#
# Replace the `...`, in percent: `"50%"`.

# %%
predict("worker.utilization mean", ...)  # one of three workers at one queue
predict("mailer.utilization mean", ...)  # one of three subscribers of a topic

# %% [markdown]
# ## Run

# %%
r = s.run()
print(r.show())

# %% [markdown]
# ## See

# %%
show(r, "worker.utilization", "mailer.utilization")

# %% [markdown]
# One worker is busy 20 % of the time, one subscriber 60 %. In ten minutes 18,000 messages were sent to each, and the topic
# made 54,000 copies of its own.

# %%
expect(r).that("worker.utilization mean").within("1%", of="20%")
expect(r).that("mailer.utilization mean").within("1%", of="60%")
expect(r).that("to-queue.sent total").equals(18_000)
expect(r).that("news.copies total").equals(54_000)
expect(r).that("worker.effects total").equals("to-queue.sent total")
expect(r).that("mailer.effects total").equals("to-topic.sent total");

# %% [markdown]
# ## Explain
#
# > A **third consumer** divides the work by three. A **third subscriber** multiplies it by three.
#
# * In a **work queue** (competing consumers) each message goes to *one* of those who wait. More consumers: the same work
#   in less time. 30/s × 20 ms = 0.6 workers' worth, over three workers: 20 % each.
# * In a **fan-out** each subscription gets a *copy* of every message. More subscribers: more news is heard, and more work
#   is done. 0.6 workers' worth for each of the three.
#
# Copies are separate messages from then on. Each subscription has its own backlog, its own speed, its own dead letters.

# %% [markdown]
# ## Change
#
# Let the auditor become slow: 40 ms for each message, 25/s where 30/s come. Its own queue grows by 5/s. The others do not
# even notice: a mail is done 20 ms after it was sent, as before.

# %%
slow = s.set("consumers.auditor.service", "40ms").run()
show(slow, "audits.visible", "mails.visible")
expect(slow).that("audits.visible from 0 to 10m").grows_at("5/s", within="1%")
expect(slow).that("mails.latency max").equals("20ms");

# %% [markdown]
# Unless they share a queue. Here is a shop in which somebody let *two services read from one queue*. Billing and e-mail
# should both hear of all 1,200 orders. Each message goes to one of them, so 600 orders are billed and the other 600 get
# an e-mail. Every message is received, worked on and acknowledged. Nothing is lost, nothing waits: no alarm rings.

# %%
mistake = load("shared-queue-by-mistake")
shared = mistake.run()
expect(shared).that("orders.acked total").equals(1_200)
expect(shared).that("billing.effects total").equals(600)
expect(shared).that("email.effects total").equals(600)
expect(shared).that("orders.oldest_age max").below("1s")
expect(shared).no_message_lost();

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run both cells. A check that fails says what happened, why, and where to look.

# %%
short = s.set({"run.duration": "2m", "expect": None})  # two minutes show all that ten do

# %% [markdown]
# ### 05.1 One more who wants to know
#
# A fourth subscription is made. How many copies does the topic make in two minutes, and how many messages does each
# of the four consumers work on?

# %% exercise="05.1" role="answer"
copies = ...  # copies in all
each = ...  # effects of one consumer

# %% exercise="05.1" role="check"
ex = exercise("05.1", points=2)
ex.predicted(copies, each)
fourth = {
    "topics.news.subscriptions": [{"queue": q} for q in ("mails", "audits", "searches", "reports")],
    "queues.reports": {},
    "consumers.reporter": {"from": "reports", "service": "20ms"},
}
four = ex.run(short, fourth)
ex.check(
    lambda: expect(four).that("news.copies total").equals(copies),
    otherwise="a topic makes a copy of each message for each subscription",
)
ex.check(
    lambda: expect(four).that("reporter.effects total").equals(each),
    otherwise="who has a queue of his own shares with nobody",
)
ex.score()

# %% [markdown]
# ### 05.2 Find the bug
#
# Repair the shop: every order must reach billing *and* e-mail. You need a topic with two subscriptions, a second queue,
# and somebody who reads from it.

# %% exercise="05.2" role="answer"
repaired = ...  # {"topics.placed": {"subscriptions": [...]}, "queues.mails": {}, ...}

# %% exercise="05.2" role="check"
ex = exercise("05.2", points=3)
fix = ex.run(mistake, repaired)
ex.check(lambda: expect(fix).each_message("orders").reaches(["billing", "email"]))
ex.check(lambda: expect(fix).that("shop.sent total").equals(1_200), points=0.5)
ex.check(lambda: expect(fix).no_message_lost(), points=0.5)
ex.score()

# %% [markdown]
# ### 05.3 The slow one
#
# The auditor now needs 70 ms for each message. Keep its queue from growing, with the fewest processes, and without a
# single audit that is done twice or not at all.

# %% exercise="05.3" role="answer"
more = ...  # {"consumers....": ...}

# %% exercise="05.3" role="check"
ex = exercise("05.3", points=2)
audited = ex.run(short.set("consumers.auditor.service", "70ms"), more)
ex.check(lambda: expect(audited).stable("audits"))
ex.check(lambda: expect(audited).that("auditor.effects total").equals("to-topic.sent total"))
ex.check(lambda: expect(audited).that("auditor.count").at_most(3), points=0.5)
ex.score()
