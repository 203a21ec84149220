# %% [markdown]
# # 05 Work queue or fan-out: solutions, and answers that a class would give

# %% exercise="05.1" role="reference"
copies = 14_400
each = 3_600

# %% exercise="05.1" role="wrong" name="the work is shared" says="news.copies total: expected 3,600, got 14,400"
copies = 3_600
each = 900

# %% exercise="05.2" role="reference"
repaired = {
    "topics.placed": {"subscriptions": [{"queue": "orders"}, {"queue": "mails"}]},
    "queues.mails": {},
    "producers.shop.to": "placed",
    "consumers.email.from": "mails",
}

# %% exercise="05.2" role="wrong" name="twice as many readers" says="got billing saw 600 of 1,200 (50.0 %)"
repaired = {"consumers.billing.count": 2, "consumers.email.count": 2}

# %% exercise="05.2" role="wrong" name="e-mail still reads the old queue" says="saw 600 of 1,200 (50.0 %)"
repaired = {
    "topics.placed": {"subscriptions": [{"queue": "orders"}, {"queue": "mails"}]},
    "queues.mails": {},
    "producers.shop.to": "placed",
}

# %% exercise="05.2" role="wrong" name="a topic without the first" says="expected each to reach billing and email"
repaired = {
    "topics.placed": {"subscriptions": [{"queue": "mails"}]},
    "queues.mails": {},
    "producers.shop.to": "placed",
    "consumers.email.from": "mails",
}

# %% exercise="05.3" role="reference"
more = {"consumers.auditor.count": 3}

# %% exercise="05.3" role="wrong" name="one too few" says="grows by"
more = {"consumers.auditor.count": 2}

# %% exercise="05.3" role="wrong" name="more than needed" says="auditor.count: expected at most 3, got 4"
more = {"consumers.auditor.count": 4}

# %% exercise="05.3" role="wrong" name="another subscription" says="expected to-topic.sent total (3,600), got"
more = {
    "topics.news.subscriptions": [{"queue": q} for q in ("mails", "audits", "audits2", "searches")],
    "queues.audits2": {},
    "consumers.auditor.from": ["audits", "audits2"],
}
