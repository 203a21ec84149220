# ---
# jupyter:
#   kernelspec:
#     name: python3
# ---

# %% [markdown]
# # 91 Toy: a lesson to be graded

# %%
from qsim import expect, load
from qsim.lab import exercise

s = load("backlog-growth").set("run.duration", "2s")
print("the lesson prints")

# %% [markdown]
# ## Exercises
#
# ### 91.1 Enough

# %% exercise="91.1" role="answer"
enough = ...  # {"consumers.worker.count": how many}

# %% exercise="91.1" role="check"
ex = exercise("91.1", points=2)
fix = ex.run(s, enough)
ex.check(lambda: expect(fix).that("orders.visible at end").below(50))
ex.check(lambda: expect(fix).that("worker.count").at_most(10))
ex.score()

# %% [markdown]
# ### 91.2 A number

# %%
s = load("backlog-growth").set("run.duration", "1s")

# %% exercise="91.2" role="answer"
rate = ...

# %% exercise="91.2" role="check"
ex = exercise("91.2")
ex.answered(rate)
ex.check(lambda: rate == 1000)
ex.score()
