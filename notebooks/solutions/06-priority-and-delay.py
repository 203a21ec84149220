# %% [markdown]
# # 06 Priority and delay: solutions, and answers that a class would give

# %% exercise="06.1" role="reference"
quick = {"consumers.mailer.push.prefetch": 1}

# %% exercise="06.1" role="wrong" name="ten are still ten" says="notify.latency.urgent p95: expected below 1s, got"
quick = {"consumers.mailer.push.prefetch": 10}

# %% exercise="06.1" role="wrong" name="more workers" says="mailer.count: expected at most 4, got 6"
quick = {"consumers.mailer.count": 6}

# %% exercise="06.1" role="wrong" name="only urgent ones are listed first" says="notify.latency.urgent p95: expected below 1s, got"
quick = {"queues.notify.priorities": ["urgent", "analytics"]}

# %% exercise="06.2" role="reference"
share = {
    "queues.reports": {},
    "producers.tracker": {"to": "reports", "rate": "3/s"},
    "consumers.reporter": {"from": "reports", "service": {"exponential": {"mean": "100ms"}}},
    "consumers.mailer.count": 3,
}

# %% exercise="06.2" role="wrong" name="one worker more" says="mailer.count: expected at most 3, got 4"
share = {
    "queues.reports": {},
    "producers.tracker": {"to": "reports", "rate": "3/s"},
    "consumers.reporter": {"from": "reports", "service": {"exponential": {"mean": "100ms"}}},
}

# %% exercise="06.2" role="wrong" name="all four read both" says="is called 'reporter'"
share = {
    "queues.reports": {},
    "producers.tracker": {"to": "reports", "rate": "3/s"},
    "consumers.mailer.from": ["notify", "reports"],
}

# %% exercise="06.2" role="wrong" name="nobody sends there" says="reports.accepted total: expected tracker.sent total"
share = {
    "queues.reports": {},
    "consumers.reporter": {"from": "reports", "service": {"exponential": {"mean": "100ms"}}},
    "consumers.mailer.count": 3,
}

# %% exercise="06.3" role="reference"
later = {"producers.app.message": {"delay": "5h30m"}}

# %% exercise="06.3" role="wrong" name="a longer lease" says="tasks.in_flight max from 0 to 5h: expected 0, got 1"
later = {"queues.tasks.visibility_timeout": "6h"}

# %% exercise="06.3" role="wrong" name="a lease that is still too short" says="2 leases ended while the work still went on"
later = {"queues.tasks.visibility_timeout": "2h"}

# %% exercise="06.3" role="wrong" name="the usual quarter of an hour" says="tasks.latency max: expected 5h 30m 1s, got 15m 1s"
later = {"producers.app.message": {"delay": "15m"}}
