# %% [markdown]
# # 02 Delivery guarantees: solutions, and answers that a class would give

# %% exercise="02.1" role="reference"
for_metrics = "at-most-once"
for_bills = "at-least-once"

# %% exercise="02.1" role="wrong" name="the other way round" says="second effect"
for_metrics = "at-least-once"
for_bills = "at-most-once"

# %% exercise="02.2" role="reference"
def handle(message, store):
    store.charge(message.order, key=message.order)

# %% exercise="02.2" role="wrong" name="the textbook" says="between charge and record"
def handle(message, store):
    if store.exists(message.id):
        return
    store.charge(message.order)
    store.put(message.id, True)

# %% exercise="02.2" role="wrong" name="record first" says="charged when charge-1 died: who came later took it as done"
def handle(message, store):
    if store.add(message.order):
        store.charge(message.order)

# %% exercise="02.2" role="wrong" name="in a transaction" says="the rollback took the record back, but not the charge"
def handle(message, store):
    with store.transaction():
        if store.exists(message.order):
            return
        store.put(message.order, True)
        store.charge(message.order)

# %% exercise="02.2" role="wrong" name="finally" says="between charge and record"
def handle(message, store):
    if store.exists(message.order):
        return
    try:
        store.charge(message.order)
    finally:
        store.put(message.order, True)

# %% exercise="02.2" role="wrong" name="a set in memory" says="is in the memory of one process"
def handle(message, store, seen=set()):
    if message.order in seen:
        return
    seen.add(message.order)
    store.charge(message.order)

# %% exercise="02.2" role="wrong" name="the message's id as key" says="got two for one order"
def handle(message, store):
    store.charge(message.order, key=message.id)

# %% exercise="02.3" role="reference"
remember = {"consumers.charge.idempotent": {"remember": "40s"}}

# %% exercise="02.3" role="wrong" name="as long as the lease" says="expected at most 1 effect at a consumer"
remember = {"consumers.charge.idempotent": {"remember": "5s"}}
