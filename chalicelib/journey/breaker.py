"""Whether asks and news must stop: too many mails come back, or are marked as spam, for it to be chance."""

from math import sqrt

import msgspec

from chalicelib.journey.documents import BreakerRules

#: Standard normal quantile of a two-sided interval of 95%.
_Z = 1.959964


class Tally(msgspec.Struct, frozen=True):
    """What was counted within the window: mails to customers, those that came back for good, and complaints."""

    sent: int = 0
    bounced: int = 0
    complained: int = 0


def lower_limit(events: int, sent: int) -> float:
    """Return the lower limit of the 95% Wilson score interval of a share; 0 when nothing was sent.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    if sent <= 0:
        return 0.0
    share, z2 = min(events / sent, 1.0), _Z * _Z
    centre = share + z2 / (2 * sent)
    margin = _Z * sqrt(share * (1 - share) / sent + z2 / (4 * sent * sent))
    return max(0.0, (centre - margin) / (1 + z2 / sent))


def judge(tally: Tally, rules: BreakerRules) -> str:
    """Return why asks and news must stop (``bounces`` or ``complaints``), or an empty text while they may go."""
    if tally.sent < rules.sends_min:
        return ""
    if lower_limit(tally.complained, tally.sent) > rules.complaint_share:
        return "complaints"
    return "bounces" if lower_limit(tally.bounced, tally.sent) > rules.bounce_share else ""
