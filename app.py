"""Every entry point of Aftercare on AWS Lambda, one call each. The logic is in chalicelib; start at its pipeline.py."""

import gc

# Before anything loads: what modules make while they load is no garbage, and looking for it takes an eighth of a cold
# start. Python's 700 suits programs that make cycles; here 50,000 objects are a few megabytes.
gc.set_threshold(50_000)

from typing import Any

from chalice import Chalice, Rate

from chalicelib.entry import routes
from chalicelib.settings import queue_name
from chalicelib.wiring import wired

app = Chalice(app_name="aftercare", configure_logs=False)

# -- HTTP: every route stands in one table ------------------------------------------------------------------

routes.register(app, wired)

# -- queues and the clock ----------------------------------------------------------------------------------


@app.on_sqs_message(queue=queue_name("inbox"), batch_size=1)
def on_inbox(event: Any) -> None:
    """Decide events from the bus, and those that a page could not commit."""
    wired().consumer.inbox(event.to_dict())


@app.on_sqs_message(queue=queue_name("work"), batch_size=1)
def on_work(event: Any) -> None:
    """Perform what a page or call left owed."""
    wired().consumer.work(event.to_dict())


@app.on_sqs_message(queue=queue_name("alarms"), batch_size=1)
def on_alarms(event: Any) -> None:
    """Wake the journey whose alarm rang."""
    wired().consumer.alarms(event.to_dict())


@app.on_sqs_message(queue=queue_name("feedback"), batch_size=1)
def on_feedback(event: Any) -> None:
    """Settle a mail by what became of it."""
    wired().consumer.feedback(event.to_dict())


@app.on_sqs_message(queue=queue_name("reply"), batch_size=1)
def on_reply(event: Any) -> None:
    """Give a mail that came in to the journey that it answers."""
    wired().replied(event.to_dict())


@app.schedule(Rate(5, unit=Rate.MINUTES))
def on_reconcile(event: Any) -> None:
    """Find what was missed, and do it."""
    wired().consumer.reconcile(event.to_dict())


@app.schedule(Rate(15, unit=Rate.MINUTES))
def on_figures(event: Any) -> None:
    """Add up what facts have changed in the figures."""
    wired().count()


@app.schedule(Rate(12, unit=Rate.HOURS))
def on_suppressions(event: Any) -> None:
    """Make good what a lost bounce or complaint left out."""
    wired().reconciliation.run()
