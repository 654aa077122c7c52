"""Every entry point of Aftercare on AWS Lambda, one call each. The logic is in chalicelib; start at its pipeline.py."""

import gc

# Before anything loads: what modules make while they load is no garbage, and looking for it takes an eighth of a cold
# start. Python's 700 suits programs that make cycles; here 50,000 objects are a few megabytes.
gc.set_threshold(50_000)

from typing import Any

from chalice import Chalice, Rate, Response

from chalicelib.entry.http import FORMS
from chalicelib.settings import queue_name
from chalicelib.wiring import wired

app = Chalice(app_name="aftercare", configure_logs=False)

# -- the customer ------------------------------------------------------------------------------------------


@app.route("/a/{token}", methods=["GET"])
def answer_page(token: str) -> Response:
    """Show a survey or check-in."""
    return wired().pages.show_answer(app.current_request, token)


@app.route("/a/{token}", methods=["POST"], content_types=FORMS)
def answer(token: str) -> Response:
    """Take an answer."""
    return wired().pages.give_answer(app.current_request, token)


@app.route("/p/{token}", methods=["GET"])
def proposal_page(token: str) -> Response:
    """Show a proposal."""
    return wired().pages.show_proposal(app.current_request, token)


@app.route("/p/{token}", methods=["POST"], content_types=FORMS)
def proposal(token: str) -> Response:
    """Take the customer's word on a proposal."""
    return wired().pages.answer_proposal(app.current_request, token)


@app.route("/o/{token}", methods=["GET"])
def opt_out_page(token: str) -> Response:
    """Show the choices of opting out."""
    return wired().pages.show_opt_out(app.current_request, token)


@app.route("/o/{token}", methods=["POST"], content_types=FORMS)
def opt_out(token: str) -> Response:
    """Opt out, by our button or by that of a mail program."""
    return wired().pages.opt_out(app.current_request, token)


# -- staff -------------------------------------------------------------------------------------------------


@app.route("/w/{token}", methods=["GET"])
def work_page(token: str) -> Response:
    """Show a recovery to the member of staff whom a notice invited."""
    return wired().work.show(app.current_request, token)


@app.route("/w/{token}", methods=["POST"], content_types=FORMS)
def work(token: str) -> Response:
    """Do one act of a recovery."""
    return wired().work.act(app.current_request, token)


# -- other systems -----------------------------------------------------------------------------------------


@app.route("/cases", methods=["POST"])
def cases() -> Response:
    """Take a case that was resolved, reopened or withdrawn."""
    return wired().api.case(app.current_request)


@app.route("/purchases", methods=["POST"])
def purchases() -> Response:
    """Take a purchase."""
    return wired().api.purchase(app.current_request)


@app.route("/failures", methods=["POST"])
def failures() -> Response:
    """Take a remark or public comment that never was a case."""
    return wired().api.failure(app.current_request)


@app.route("/acts", methods=["POST"])
def acts() -> Response:
    """Take an act of staff on a recovery."""
    return wired().api.act(app.current_request)


@app.route("/documents/{kind}", methods=["GET"])
def document(kind: str) -> Response:
    """Show the active document of a kind and its versions."""
    return wired().api.document(app.current_request, kind)


@app.route("/documents/{kind}", methods=["PUT"])
def put_document(kind: str) -> Response:
    """Store a new version of a document."""
    return wired().api.put_document(app.current_request, kind)


@app.route("/documents/{kind}/{version}/activate", methods=["POST"])
def activate_document(kind: str, version: str) -> Response:
    """Make a stored version of a document the active one."""
    return wired().api.activate_document(app.current_request, kind, version)


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


@app.schedule(Rate(5, unit=Rate.MINUTES))
def on_reconcile(event: Any) -> None:
    """Find what was missed, and do it."""
    wired().consumer.reconcile(event.to_dict())
