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
# # 07 Backpressure: four ways to say no
#
# More arrives than can be done. You will try four answers to that, and see who pays for each. About 20 minutes.

# %%
from qsim import expect, load
from qsim.lab import exercise, explore, predict, show

# %% [markdown]
# ## Question
#
# Lesson 01 again: 1,000 orders a second arrive, eight workers finish 800. Without an end to the queue it grows by 200/s. Now
# let the queue hold 10,000 orders at most, and refuse the rest.
#
# **How many orders a second does the shop then get done: more, fewer, or as many as before?**

# %%
s = load("backlog-growth").set("run.duration", "3m")
print(s.show("variants"))

# %% [markdown]
# ## Predict

# %%
predict("worker.throughput mean", ...)  # "how many/s", with a queue of 10,000
predict("orders.oldest_age max", ...)  # how old does the oldest order get, like "1m"?

# %% [markdown]
# ## Run

# %%
endless = s.run()
reject = s.with_variant("reject-excess").run()

# %% [markdown]
# ## See

# %%
show(reject, "orders.visible", "orders.oldest_age", "worker.throughput")

# %% [markdown]
# The throughput is 800/s with the endless queue and 800/s with the bounded one. The workers never notice the difference:
# in both there is always something to do. What differs is the waiting. The endless queue has 36,000 orders after three
# minutes, the oldest 36 s old, and both go on growing. The bounded one stops at 10,000 (what is visible and the eight in flight),
# and nobody waits for more than 12.5 s = 10,000 / 800.

# %%
expect(endless).that("worker.throughput mean").within("0.1%", of="800/s")
expect(reject).that("worker.throughput mean").within("0.1%", of="800/s")
expect(endless).that("orders.visible at end").equals(36_000)
expect(endless).that("orders.oldest_age at end").within("0.1%", of="36s")
expect(reject).that("orders.depth max").at_most(10_000)
expect(reject).that("orders.wait max").at_most("12.5s");

# %% [markdown]
# ## Explain
#
# ### A buffer is no capacity
#
# A queue moves work to later. It helps if later has room, as after a short burst. If more arrives than can be done *for
# ever*, a longer queue adds nothing but waiting. Somebody must pay for 200/s; the four ways differ in who does.
#
# ### Scale out: you pay
#
# Ten workers finish 1,000/s, and nothing waits.

# %%
expect(s.with_variant("scale-out").run()).that("orders.visible max").equals(0);

# %% [markdown]
# ### Reject: the caller pays
#
# The queue takes 10,000 orders more than the workers finish, and refuses the rest: 200/s × 180 s − 10,000 = 26,000. The shop is
# told so each time, and could tell its customer.

# %%
expect(reject).that("shop.rejected total").within("1%", of=26_000)
expect(reject).no_message_lost();

# %% [markdown]
# ### Slow down: the producer waits
#
# The producer watches the queue: above 5,000 it sends 700/s, below 1,000 again 1,000/s. No order is refused. They are simply
# not sent yet.

# %%
slow = s.with_variant("slow-producers").run()
show(slow, "shop.rate", "orders.visible")

# %%
expect(slow).that("shop.rejected total").equals(0)
expect(slow).that("shop.sent total").below(150_000)
expect(slow).that("orders.visible max").at_most(5_200);

# %% [markdown]
# It looks once a second, so the queue gets a little longer than 5,000: for as long as nobody looks, it grows by 200/s. In
# control that is called *overshoot*, and it is **rate × delay**.
#
# ### Alert: nobody pays yet
#
# An alert rings and changes nothing. The run with an alert is the run without, message for message.

# %%
alert = s.with_variant("alert-only").run()
expect(alert).that("backlog.fired total").equals(1)
expect(alert).that("orders.visible at end").equals(36_000);

# %% [markdown]
# ## Change
#
# How does the longest wait depend on the bound? And does the throughput?

# %%
explore(
    s.with_variant("reject-excess"),
    {"queues.orders.capacity.messages": (1_000, 30_000), "consumers.worker.count": (6, 12)},
    show=["orders.visible", "orders.oldest_age"],
    numbers=["worker.throughput mean", "shop.rejected total", "orders.wait max"],
)

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run both cells. A check that fails says what happened, why, and where to look.

# %%
minute = s.set("run.duration", "1m")

# %% [markdown]
# ### 07.1 A bound for a promise
#
# No order may wait for more than 5 s, and as few as possible may be refused. How many messages may the queue hold?

# %% exercise="07.1" role="answer"
bound = ...  # {"queues.orders.capacity": {"messages": how many, "when_full": "reject"}}

# %% exercise="07.1" role="check"
ex = exercise("07.1", points=2)
bounded = ex.run(minute, bound)
ex.check(lambda: expect(bounded).that("orders.wait max").at_most("5s"))
ex.check(lambda: expect(bounded).that("shop.rejected total").at_most(8_200), points=0.5)
ex.score()

# %% [markdown]
# ### 07.2 Looking too rarely
#
# This producer looks at the queue every 20 s only. Correct it, so that never more than 6,000 wait. The eight workers, the rates
# and both thresholds stay as they are.

# %%
rarely = minute.with_variant("slow-producers").set("producers.shop.slow_down.check_every", "20s")

# %% exercise="07.2" role="answer"
look = ...  # {"producers.shop.slow_down...": ...}

# %% exercise="07.2" role="check"
ex = exercise("07.2", points=2)
watched = ex.run(rarely, look)
ex.check(lambda: expect(watched).never_exceeds("orders.visible", 6_000))
ex.score()

# %% [markdown]
# ### 07.3 Three stories
#
# A queue that may hold 5,000 can say no in different ways. Choose one of the words for each story.
#
# * **payments**: none may be lost or refused, and no more than 5,000 may lie about; the sender has time to wait.
# * **telemetry**: the sender cannot wait and does not look at answers; what counts is what is new, so nothing handed out
#   may be older than 7 s.
# * **indexing**: none may be lost or refused and the sender cannot wait; nobody minds if it is done late.

# %%
brief = s.set("run.duration", "40s")  # long enough: 5,000 wait after 25 s
capacity = "queues.orders.capacity"
ways = {
    "endless": {},
    "reject": {capacity: {"messages": 5_000, "when_full": "reject"}},
    "block": {capacity: {"messages": 5_000, "when_full": "block"}},
    "drop-oldest": {capacity: {"messages": 5_000, "when_full": "drop-oldest"}},
}

# %% exercise="07.3" role="answer"
payments = ...  # one of the words in ways
telemetry = ...
indexing = ...

# %% exercise="07.3" role="check"
ex = exercise("07.3", points=3)
ex.answered(payments, telemetry, indexing)
paid, measured, indexed = (ex.run(brief, ways.get(way, ...)) for way in (payments, telemetry, indexing))
ex.check(
    lambda: (
        expect(paid).that("shop.rejected total").equals(0),
        expect(paid).no_message_lost(),
        expect(paid).that("orders.depth max").at_most(5_000),
    ),
    otherwise="payments: who turns nobody away, keeps all, and holds no more than 5,000?",
)
ex.check(
    lambda: (
        expect(measured).that("shop.send_time max").equals("0s"),
        expect(measured).that("shop.rejected total").equals(0),
        expect(measured).that("orders.wait max").at_most("7s"),
    ),
    otherwise="telemetry: which way never stops the sender, and lets go of what is old?",
)
ex.check(
    lambda: (
        expect(indexed).that("shop.send_time max").equals("0s"),
        expect(indexed).that("shop.rejected total").equals(0),
        expect(indexed).no_message_lost(),
    ),
    otherwise=(
        "indexing: which way neither stops the sender nor turns anything away, however late it "
        "gets?"
    ),
)
ex.score()
