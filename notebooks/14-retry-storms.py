# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 14 Retry storms: fifteen seconds that last for ever
#
# A service was slow for a moment. The moment is over, the service is well again, and still nobody gets an answer.
# Nothing is broken: it is kept down by the help that everybody tries to give. About 20 minutes.

# %%
from qsim import expect, load
from qsim.lab import exercise, predict, show

s = load("retry-storm")

# %% [markdown]
# ## Question
#
# 80 requests a second come, and the server can do 100. A client waits one second for its reply, then sends the request
# again, four tries in all. Once, after a minute, the server does nothing for 15 s.
#
# **When will clients get their answers again?**

# %% [markdown]
# ## Predict
#
# **goodput** counts only the answers that come in time: 80/s before the pause. While the server rests, 1,200 requests
# arrive, and 20/s of its strength are to spare. How many answers a second come in time from the fifth minute on?
# Replace the `...`.

# %%
predict("client.goodput mean from 5m to 10m", ...)  # a rate, like "40/s"

# %% [markdown]
# ## Run

# %%
storm = s.run()
show(storm, "client.rate", "server.throughput", "client.goodput mean")

# %% [markdown]
# ## See
#
# Goodput was 80/s, and from the pause on it is **0, for ever**, while the server is busy **100 %** of the time and
# finishes 100 requests every second. What arrives is no longer 80 but **320/s**, and the queue grows by **220/s**.

# %%
expect(storm).that("client.goodput mean from 30s to 1m").equals("80/s")
expect(storm).that("client.goodput mean from 5m to 10m").equals(0)
expect(storm).that("server.utilization mean from 5m to 10m").equals("100%")
expect(storm).that("server.throughput mean from 5m to 10m").equals("100/s")
expect(storm).that("client.rate mean from 5m to 10m").equals("320/s")
expect(storm).that("requests.visible from 5m to 10m").grows_at("220/s", within="1%");

# %% [markdown]
# ## Explain
#
# Every request that the server takes from the queue has waited longer than its client did. The client is gone, so the
# work is wasted, and the client's next try stands at the end of the same queue. One request is now four messages:
# 4 × 80 = 320/s for a server that does 100/s.
#
# There are two states in which this system can stay. In the good one the wait is short, no one retries, and 80/s leave
# strength to spare. In the bad one the wait is long, everyone retries, and that keeps the wait long. Such a state that
# feeds itself is called **metastable**. The pause only pushed the system from one into the other; that the pause ended
# does not push it back.
#
# How hard a push is enough? A pause of 1 s does nothing. One of **1.1 s** is as good as one of 15: the first clients
# have then waited longer than their timeout, and the rest follows.

# %%
harmless = s.set("timeline.dip.for", "1s").run(until="5m")
fatal = s.set("timeline.dip.for", "1100ms").run(until="5m")
expect(harmless).that("client.goodput mean from 4m to 5m").equals("80/s")
expect(fatal).that("client.goodput mean from 4m to 5m").equals(0)
show(fatal, "requests.visible", "client.goodput mean");

# %% [markdown]
# ## Change
#
# Waiting longer and longer between tries, with some chance in it (backoff with full jitter), is what everybody
# recommends. It spreads the tries, but it does not make fewer of them. A **budget** does: retries may be 10 % of first
# tries and no more, so that 88/s arrive, and 12/s are left to work off what waits.

# %%
jitter = s.with_variant("full-jitter").run()
budget = s.with_variant("budget").run()
expect(jitter).that("client.goodput mean from 5m to 10m").equals(0)
expect(budget).that("client.goodput mean from 5m to 10m").equals("80/s")
expect(budget).that("client.rate mean from 75s to 2m").equals("88/s")
show(budget, "client.rate", "client.goodput mean", "requests.visible");

# %% [markdown]
# With the budget the queue is empty again 222 s after the start: more than two minutes for a pause of 15 s.
#
# The other way is not to work for clients who have left: messages that expire before their client gives up
# (`message.ttl: 900ms`). Then 4,416 requests die in the queue, and it is empty after 82 s.

# %%
expire = s.with_variant("expire").run()
expect(budget).that("requests.drained_at").between("3m 42s", "3m 43s")
expect(expire).that("requests.drained_at").between("81s", "82s")
expect(expire).that("requests.expired total").equals(4416)
expect(expire).that("client.goodput mean from 5m to 10m").equals("80/s");

# %% [markdown]
# **Can somebody end the storm by hand?** Emptying the queue after three minutes is not enough: in the second that
# follows, every waiting client sends again, and the queue is too long once more. Sending nobody away but turning the
# rate down is not enough either, unless it is turned down to nearly nothing for as long as the 27,423 requests take
# that wait by then: 274 s.

# %%
purged = s.set("timeline.purge", {"at": "3m", "purge": "requests"}).run(until="6m")
relief = {"at": "3m", "for": "5m", "set": {"producers.client.rate": "20/s"}}
throttled = s.set("timeline.relief", relief).run()
expect(storm).that("requests.visible at 3m").equals(27_423)
expect(purged).that("client.goodput mean from 5m to 6m").equals(0)
expect(throttled).that("client.goodput mean from 9m to 10m").equals(0);

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run both cells. A check that fails says what happened, why, and where to look.
#
# In all of them the pause comes after 10 s and takes 5 s. That is bad enough, as you have seen, and two minutes then show
# all that ten do.

# %%
brief = s.set({"timeline.dip.at": "10s", "timeline.dip.for": "5s"})

# %% [markdown]
# ### 14.1 Reproduce it
#
# Four tries each were enough for the storm. How many are the fewest? Say how many tries a client makes, so that less
# than 5/s are answered in time at the end, and no more messages than necessary are second tries.

# %% exercise="14.1" role="answer"
tries = ...  # {"producers.client.on_reject.attempts": 10}

# %% exercise="14.1" role="check"
ex = exercise("14.1", points=2)
again = ex.run(brief, tries, until="2m")
ex.check(lambda: expect(again).that("client.goodput mean from 90s to 2m").below("5/s"))
ex.check(lambda: expect(again).that("client.retried share").at_most("50%"))
ex.score()

# %% [markdown]
# ### 14.2 Fix it, and keep the retries
#
# Retries are there for messages that get lost, so they shall stay: at least one retry must happen. Nobody may be sent
# away either. From 1:30 on at least 70/s must be answered in time.

# %% exercise="14.2" role="answer"
calm = ...  # overrides of the scenario

# %% exercise="14.2" role="check"
ex = exercise("14.2", points=3)
fix = ex.run(brief, calm, until="2m")
ex.check(lambda: expect(fix).that("client.goodput mean from 90s to 2m").at_least("70/s"))
ex.check(lambda: expect(fix).that("client.retried total").above(0))
ex.check(lambda: expect(fix).that("client.rejected total").equals(0))
ex.score()

# %% [markdown]
# ### 14.3 End it by hand
#
# The queue is emptied after one minute, and at the same moment the clients are slowed down for five seconds. To how
# many requests a second at most, in steps of 20? Predict it first, then try.

# %% exercise="14.3" role="answer"
slowed_to = ...  # a rate, such as "60/s"

# %% exercise="14.3" role="check"
ex = exercise("14.3", points=2)
ex.predicted(slowed_to)
by_hand = ex.run(
    brief,
    {
        "timeline.purge": {"at": "1m", "purge": "requests"},
        "timeline.relief": {"at": "1m", "for": "5s", "set": {"producers.client.rate": slowed_to}},
    },
    until="2m",
)
ex.check(
    lambda: expect(by_hand).that("client.goodput mean from 90s to 2m").equals("80/s"),
    otherwise=(
        "not all are served again: the clients still send more than the server can do, tries "
        "that repeat included"
    ),
)
ex.check(lambda: expect(by_hand).that("client.sent from 60s to 65s").at_least(400))
ex.score()
