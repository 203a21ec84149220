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
# # 09 Five brokers, one workload: defaults decide
#
# The same code, the same crash, the same bad message, on SQS, RabbitMQ, Redis, ActiveMQ and Azure Service Bus. Nobody
# has configured anything. What happens next is a different story on each. About 20 minutes.

# %%
from qsim import compare, expect, load
from qsim.lab import bars, exercise, predict

# %% [markdown]
# ## Question
#
# One job a second, two workers, half a second for a job. After a minute a worker dies half way through a job, and is not
# replaced. After three minutes one bad job comes that fails at every attempt.
#
# **When is the dead worker's job done again? How often is the bad job tried? What is lost?**

# %%
s = load("brokers").set("expect", None)
print(s.show("producers", "consumers", "timeline"))

# %% [markdown]
# ## Predict
#
# Of SQS, where a receive without a word about it leases a message for 30 s, and of a Redis list. Replace the `...`.

# %%
predict("jobs.recovery_time max", ...)  # SQS: from the crash to the next receive of its job, "10s"
predict("jobs.lost total", ...)  # of a Redis list, read with a plain pop

# %% [markdown]
# ## Run

# %%
sqs = s.with_variant("sqs-standard").run()
redis_list = s.with_variant("redis-list").run()
print(sqs.show(), redis_list.show(), sep="\n\n")

# %% [markdown]
# ## See

# %%
asked = ["jobs.recovery_time max", "jobs.received poison total", "jobs.lost total"]
bars(compare(s.variants(), replications=1, metrics=asked), *asked);

# %% [markdown]
# | | the dead worker's job comes back | the bad job is tried | lost |
# |---|---|---|---|
# | SQS | when the lease of 30 s ends | 5 times, as we said, then moved away | 0 |
# | RabbitMQ classic | at once: the connection is gone | 422 times in seven minutes, and on | 0 |
# | RabbitMQ quorum | at once | 21 times: a limit of 20, and the first | 0 |
# | Redis list | never: a pop deletes | once | 2 |
# | Redis stream | when somebody claims what has been idle for 1 min | 7 times, and on | 0 |
# | ActiveMQ | a second after the connection broke | 7 times: 6 redeliveries, and the first | 0 |
# | Azure Service Bus | when the lock of 1 min ends | 10 times | 0 |

# %%
rabbit = s.with_variant("rabbitmq-classic").run()
quorum = s.with_variant("rabbitmq-quorum").run()
stream = s.with_variant("redis-stream").run()
activemq = s.with_variant("activemq-classic").run()
azure = s.with_variant("azure-service-bus").run()
expect(sqs).that("jobs.second_receive max").equals("30s")
expect(sqs).that("jobs.received poison total").equals(5)
expect(rabbit).that("jobs.recovery_time max").equals("0s")
expect(rabbit).that("jobs.received poison total").equals(422)
expect(quorum).that("jobs.recovery_time max").equals("0s")
expect(quorum).that("jobs.received poison total").equals(21)
expect(redis_list).that("jobs.lost total").equals(2)
expect(stream).that("jobs.recovery_time max").equals("1m")
expect(stream).that("jobs.received poison total").equals(7)
expect(activemq).that("jobs.recovery_time max").equals("1s")
expect(activemq).that("jobs.received poison total").equals(7)
expect(azure).that("jobs.received poison total").equals(10)
expect(azure).that("jobs.second_receive max").equals("1m");

# %% [markdown]
# ## Explain
#
# Each broker has to decide how it learns that a consumer is dead, and what a failure is.
#
# * **SQS, Service Bus**: there is no connection to watch, only a *lease*. It is the failure detector, and as slow as it is
#   long: 30 s, 1 min.
# * **RabbitMQ, ActiveMQ**: the connection *is* the detector. When it breaks everything comes back at once; ActiveMQ's
#   client waits a second before a redelivery.
# * **Redis list**: a pop is receive and delete in one. What died in a worker's hands never comes back: at most once.
#   A **stream** remembers what is pending, and waits for somebody to claim it.
#
# And who gives up on a bad job? SQS when *you* set `max_receives`. A quorum queue, ActiveMQ and Service Bus by themselves,
# after 21, 7 and 10 tries. A classic queue never.
#
# While ActiveMQ's only worker waits to redeliver the bad job, nobody else is served: in the ten seconds after it came no
# job was done at all, where SQS did nine.

# %%
expect(activemq).that("worker.effects from 3m to 3m10s").equals(0)
expect(sqs).that("worker.effects from 3m to 3m10s").equals(9);

# %% [markdown]
# ## Change
#
# RabbitMQ *pushes*, as many messages as the consumer allows to be unacknowledged (**prefetch**), and unless somebody says
# otherwise that is unlimited. 1,000 jobs of 100 ms come within a second, and one worker gets them all. After 10 s three
# more workers start, and find nothing to do: 900 jobs stand in the first one's buffer. With a prefetch of 1 all four work,
# and everything is done after 32.5 s instead of 100.

# %%
p = load("prefetch")
unlimited = p.run()
one = p.with_variant("prefetch-1").run()
expect(unlimited).that("jobs.visible at 10s").equals(0)
expect(unlimited).that("jobs.in_flight at 10s").equals(900)
expect(unlimited).that("jobs.acked at 32s500ms").below(1_000)
expect(unlimited).that("worker.utilization mean from 10s to 32s").equals("25%")
expect(one).that("jobs.acked at 32s500ms").equals(1_000);

# %% [markdown]
# ## Exercises
#
# Replace the `...`, run both cells. A check that fails says what happened, why, and where to look.
#
# ### 09.1 Fill in the matrix
#
# Without looking above: how often is the bad job tried on a quorum queue, on ActiveMQ and on Azure Service Bus?

# %% exercise="09.1" role="answer"
on_quorum = ...
on_activemq = ...
on_azure = ...

# %% exercise="09.1" role="check"
ex = exercise("09.1", points=3)
ex.predicted(on_quorum, on_activemq, on_azure)
ex.check(
    lambda: expect(quorum).that("jobs.received poison total").equals(on_quorum),
    otherwise="quorum: delivery-limit counts what comes back, and the first try came from nowhere",
)
ex.check(
    lambda: expect(activemq).that("jobs.received poison total").equals(on_activemq),
    otherwise=(
        "ActiveMQ: maximumRedeliveries counts what comes back, and the first try came from "
        "nowhere"
    ),
)
ex.check(
    lambda: expect(azure).that("jobs.received poison total").equals(on_azure),
    otherwise="Azure: MaxDeliveryCount counts all tries",
)
ex.score()

# %% [markdown]
# ### 09.2 Let the new workers help
#
# Make the 1,000 jobs be done after 33 s. The four workers of the scenario are enough.

# %% exercise="09.2" role="answer"
helped = ...  # {"consumers.worker....": ...}

# %% exercise="09.2" role="check"
ex = exercise("09.2", points=2)
fix = ex.run(p, helped)
ex.check(lambda: expect(fix).that("jobs.acked at 33s").equals(1_000))
ex.check(lambda: expect(fix).that("worker.count max").at_most(4), points=0.5)
ex.score()

# %% [markdown]
# ### 09.3 Choose
#
# Nothing may be lost. A dead worker's job must be in other hands within 45 s. A bad job must end in the dead-letter queue,
# and in the ten seconds after it came nine other jobs must be done.

# %% exercise="09.3" role="answer"
choice = ...  # s.with_variant("redis-list")

# %% exercise="09.3" role="check"
ex = exercise("09.3", points=2)
chosen = ex.run(s, choice)
ex.check(lambda: expect(chosen).no_message_lost())
ex.check(lambda: expect(chosen).that("jobs.recovery_time max").below("45s"))
ex.check(lambda: expect(chosen).that("jobs-dlq.depth at end").equals(1))
ex.check(lambda: expect(chosen).that("worker.effects from 3m to 3m10s").at_least(9))
ex.score()
