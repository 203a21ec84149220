"""Every code that a scenario can be answered with: what it says, where the rule stands, which lesson shows it.

It knows texts only.  ``qsim explain`` prints a row, ``schema.reference_markdown`` prints all of them; who finds a
problem stands in source, shape, meaning, advice and load.  No number is ever used for a second meaning.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    code: str
    says: str
    why: str
    source: str = "scenario format 1"
    lesson: str | None = None


_ROWS = (
    Code("Q001", "not YAML 1.2: syntax, or a key given twice",
         "A key given twice would silently lose one of its values; tabs, merge keys, NaN and several documents in one "
         "file are refused for the same reason.", "YAML 1.2"),
    Code("Q002", "the file is over 128 KiB (said before parsing)", "A scenario is a page that people read."),
    Code("Q003", "nested more than 50 levels deep (said before parsing)", "No key of the format is deeper than ten."),
    Code("Q004", "a file that cannot be read, or stands outside the scenario's folder",
         "extends: and file: take a path below the folder of the file given on the command line; extends: also the "
         "name of a bundled scenario. Nothing else is read."),
    Code("Q005", "too many values or too many what-ifs", "20,000 values a file, 200 variants, 10,000 points a sweep."),
    Code("Q006", "extends: goes round in a circle", "A file cannot be built on itself."),
    Code("Q010", "unknown key", "A typo that is accepted gives a wrong answer without a word."),
    Code("Q011", "a value of the wrong kind", "Text where a map is needed, a list where one value is needed."),
    Code("Q012", "a value that is not among those allowed", "The words allowed are listed."),
    Code("Q013", "a quantity without a unit, or with one that does not exist",
         "duration: 10 could be seconds or minutes: every quantity says which. A bare number is a count."),
    Code("Q014", "a number outside what is possible", "A negative count, a share above 1, shares that miss 100 %."),
    Code("Q015", "a per-message metric without a statistic",
         "Each message has its own wait: say which of them you mean: mean, p95, max, ..."),
    Code("Q016", "a required key is missing", "The format lists the keys that have no default."),
    Code("Q017", "a name that is not allowed, or is used twice",
         "Names are letters, digits, _ and -, begin with a letter, and are unique over all that metrics can name."),
    Code("Q019", "a --set or a path that cannot be read", "PATH=VALUE, the path with dots: consumers.worker.count=9"),
    Code("Q020", "no object of this name: a queue, topic, ... that nothing defines", "Everything refers by name."),
    Code("Q021", "two keys that exclude each other",
         "poll and push; a distribution and rate; dlq and dead_letter_to: one of them would be ignored."),
    Code("Q022", "poll: {wait: 0} without every: it would poll for ever at one instant",
         "An empty receive that returns at once and is repeated at once never lets time pass."),
    Code("Q023", "work of no length that fails and is given back at once, for ever at one instant",
         "Time would stand still: let the work take time, or wait before the retry."),
    Code("Q024", "an SQS dead-letter queue that has not its source's profile",
         "The dead-letter queue of a FIFO queue is FIFO, that of a standard queue is standard.", "SQS-25", "04"),
    Code("Q025", "a key that the profile cannot have",
         "The broker has no such setting; the simulator would have to invent what it does.", lesson="09"),
    Code("Q026", "timeline.set, or an alert's do.set, of a path that cannot be set during a run",
         "Settable: rate, slow_down, count, service, failures.*, push.prefetch, visibility_timeout, capacity, dlq."),
    Code("Q027", "an sqs-fifo queue that gets messages without a group",
         "A FIFO queue orders within a message group; a send without one is refused.", "SQS-5", "08"),
    Code("Q028", "guarantee: exactly-once on a profile without dedup",
         "A retried send makes a second message, and no consumer can tell it from a first.", "SQS-6", "02"),
    Code("Q029", "null for a required key", "null removes a key; this one has no default to go back to."),
    Code("Q030", "`is` on an average or a percentile, with replications",
         "Two replications never agree on an average to the last digit: use between or within."),
    Code("Q031", "a value outside the broker's limits (prints the rule id)", "The broker would refuse it too.",
         "SQS-10"),
    Code("Q032", "a queue that is its own dead-letter queue, or is redriven to itself",
         "The message would leave and be back at the same instant."),
    Code("Q033", "a metric at a time that the run does not reach",
         "The answer would be the state at the end, whatever time is written: at end says so."),
    Code("Q034", "a message that would come back as another, for ever",
         "A topic copies, a consumer emits: what is made of a message must not lead to where it was made, or every "
         "message sent would become endlessly many."),
    Code("Q035", "a queue that blocks behind a topic",
         "A topic answers as soon as it has the message, and copies it to its other queues: nobody could wait for one."),
    Code("Q036", "a reply queue that is not its producer's alone",
         "Replies are told apart by the request that they answer: whoever else reads them takes them away."),
    Code("Q037", "clients that think no time, and are answered at once",
         "Each would ask again in the same instant, for ever: let them think, or wait for a reply or for room."),
    Code("Q038", "a filter that cannot be read",
         "Of Service Bus SQL: =, <>, IN, IS NULL, AND, OR, NOT and parentheses; texts in single quotes.", "ASB-24"),
    Code("Q040", "not supported yet", "The format has this key; this release does not run it."),
    Code("Q041", "a handler, which is code, and code was not allowed",
         "A scenario may come from anybody: its code is run only with --allow-code, or load(..., allow_code=True). A function "
         "that you hand over in Python needs neither."),
    Code("Q042", "a handler that cannot be called",
         "handler: worker:handle is the function handle(message, store) of worker.py beside the scenario, or of a module that "
         "Python finds."),
    Code("A100", "a queue is not stable: more arrives than its consumers finish",
         "The backlog grows by arrivals minus departures, for ever; at exactly 100 % with random arrivals too.",
         "M/M/c, Erlang C", "01"),
    Code("A101", "the lease is shorter than the work, and there is no heartbeat",
         "The message reappears while it is being processed, and is processed again.", "SQS-10", "03"),
    Code("A102", "the lease with its heartbeats would run beyond the broker's cap",
         "SQS hides a message for at most 12 h since the receive; an extension beyond is an error.", "SQS-22", "03"),
    Code("A103", "the lease is below 6 x the function timeout, or below batch x work",
         "The last message of a batch is begun when the others are done; its lease has run all the while.",
         "AWS Lambda with SQS: visibility timeout at least 6 x the function timeout", "08"),
    Code("A104", "unlimited prefetch",
         "The first consumer takes all that waits; the others are idle while its messages wait.",
         "RabbitMQ consumer prefetch", "09"),
    Code("A105", "a delay in the worker that is longer than the lease",
         "A task held until it is due keeps its lease running, and is handed out again when it ends.",
         "Celery visibility timeout", "06"),
    Code("A106", "prefetch x work is longer than the lock", "The last prefetched message's lock ends in the buffer.",
         "Azure Service Bus prefetch", "09"),
    Code("A110", "`max_receives: 1`", "One lost delivery or one crash dead-letters a healthy message.",
         "SQS FIFO documentation", "04"),
    Code("A111", "poison, or a consumed queue, without a dlq", "What always fails is retried for ever; said of queues "
         "whose messages can fail.", "SQS-24", "04"),
    Code("A120", "a redrive without a rate", "All of the dead-letter queue arrives at once, on top of the traffic.",
         "SQS-29", "04"),
    Code("A130", "the drain gave up", "What was left could not be worked off in the time given.", lesson="10"),
)  # fmt: skip

CODES: dict[str, Code] = {row.code: row for row in _ROWS}
