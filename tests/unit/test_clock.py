from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.journey import clock
from chalicelib.journey.clock import Calendar, Span, Window
from chalicelib.journey.errors import BadDocument

NINE_TO_SIX = Window(time(9), time(18))
OFFICE = Calendar(zone="America/New_York", hours=Window(time(9), time(17)))


def local(text: str, zone: str = "America/New_York", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


# -- durations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT5M", Span(elapsed=timedelta(minutes=5))),
        ("PT24H", Span(elapsed=timedelta(hours=24))),
        ("P14D", Span(elapsed=timedelta(days=14))),
        ("P2W", Span(elapsed=timedelta(weeks=2))),
        ("P1W2DT3H4M5S", Span(elapsed=timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5))),
        ("PT0S", Span()),
        ("P2BD", Span(business_days=2)),
    ],
)
def test_a_duration_is_elapsed_time_or_business_days(text, expected):
    assert clock.span(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "P", "PT", "P1DT", "PT5", "1D", "P1M", "P1Y", "P-1D", "-P1D", "P1.5D", "PT1.5H", "p1d", " P1D", "P1D "),
        *("P1H", "PT1D", "P1DT1D", "P1BDT1H", "P1D1BD", "P1D\n", "P١D", "P999999D", "PT999999999S", "two days"),
    ],
)
def test_what_is_no_duration_or_of_no_fixed_length_is_refused(text):
    with pytest.raises(BadDocument) as refused:
        clock.span(text)
    assert str(refused.value) == f"{text!r} is not a duration such as PT24H, P14D or P2BD"


def test_business_days_are_refused_where_elapsed_time_is_needed():
    assert clock.elapsed("P1D") == timedelta(days=1)
    with pytest.raises(BadDocument, match="'P2BD' counts business days where elapsed time is needed"):
        clock.elapsed("P2BD")


def test_the_longest_duration_added_to_any_instant_is_a_date():
    longest = clock.elapsed("P99999W99999DT99999H99999M99999999S")
    assert datetime(2100, 1, 1, tzinfo=UTC) + longest < datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "/etc/passwd", "UTC\x00", "Europe", "x" * 5000])
def test_what_is_no_zone_is_a_value_error(name):
    with pytest.raises(ValueError, match="is not an IANA time zone"):
        clock.zone(name)


# -- waking hours ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "asked", "given"),
    [
        ("America/New_York", "2026-06-01T08:59:59", "2026-06-01T09:00"),
        ("America/New_York", "2026-06-01T09:00", "2026-06-01T09:00"),
        ("America/New_York", "2026-06-01T17:59:59", "2026-06-01T17:59:59"),
        ("America/New_York", "2026-06-01T18:00", "2026-06-02T09:00"),
        ("America/New_York", "2026-06-30T23:00", "2026-07-01T09:00"),
        ("Pacific/Auckland", "2026-12-31T20:00", "2027-01-01T09:00"),
        ("Asia/Kathmandu", "2026-06-01T03:00", "2026-06-01T09:00"),
        # the night of the change: spring, autumn, and half an hour on Lord Howe
        ("America/New_York", "2026-03-07T22:00", "2026-03-08T09:00"),
        ("America/New_York", "2026-10-31T22:00", "2026-11-01T09:00"),
        ("Europe/Lisbon", "2026-10-24T22:00", "2026-10-25T09:00"),
        ("Australia/Lord_Howe", "2026-10-03T22:00", "2026-10-04T09:00"),
        # Samoa had no 30 December 2011 at all
        ("Pacific/Apia", "2011-12-29T22:00", "2011-12-31T09:00"),
    ],
)
def test_the_next_waking_instant_is_by_the_customers_own_clock(zone, asked, given):
    where = ZoneInfo(zone)
    assert NINE_TO_SIX.next_inside(local(asked, zone), where) == local(given, zone)


def test_an_opening_that_the_clocks_skip_is_the_first_instant_after_the_gap():
    where = ZoneInfo("America/New_York")
    early = Window(time(2, 30), time(4))
    assert early.next_inside(local("2026-03-08T00:00"), where) == local("2026-03-08T03:00")


def test_a_window_of_which_the_clocks_skip_all_opens_the_next_day():
    where = ZoneInfo("America/New_York")
    short = Window(time(2, 10), time(2, 50))
    assert short.next_inside(local("2026-03-08T00:00"), where) == local("2026-03-09T02:10")


def test_midnight_that_the_clocks_skip_opens_at_one():
    where = ZoneInfo("America/Santiago")
    assert Window(time(0), time(8)).next_inside(local("2026-09-05T12:00", "America/Santiago"), where) == local(
        "2026-09-06T01:00", "America/Santiago"
    )


def test_an_opening_that_comes_twice_is_the_first_and_then_the_second():
    where = ZoneInfo("America/New_York")
    twice = Window(time(1, 30), time(2))
    first, second = local("2026-11-01T01:30"), local("2026-11-01T01:30", fold=1)
    assert second - first == timedelta(hours=1)
    assert twice.next_inside(local("2026-11-01T00:00"), where) == first
    assert twice.next_inside(local("2026-11-01T01:10", fold=1), where) == second


def test_clocks_that_fall_back_into_the_window_open_it_again():
    where = ZoneInfo("America/New_York")
    around = Window(time(0, 50), time(1, 20))
    assert around.next_inside(local("2026-11-01T01:45"), where) == local("2026-11-01T01:00", fold=1)


def is_inside(window: Window, instant: datetime, where: ZoneInfo) -> bool:
    return window.start <= instant.astimezone(where).time() < window.end


ZONES = st.sampled_from(sorted(available_timezones() - {"localtime"})).map(ZoneInfo)
INSTANTS = st.datetimes(datetime(1970, 1, 3), datetime(2037, 12, 1)).map(lambda naive: naive.replace(tzinfo=UTC))  # noqa: DTZ001 - made aware here
MINUTES = st.integers(0, 24 * 60 - 1)


@st.composite
def windows(draw, least=60):
    """Hours of at least an hour, so that no change of clocks swallows them for good."""
    start = draw(st.integers(0, 24 * 60 - 1 - least))
    end = draw(st.integers(start + least, 24 * 60 - 1))
    return Window(time(*divmod(start, 60)), time(*divmod(end, 60)))


@given(INSTANTS, ZONES)
def test_the_next_waking_instant_is_inside_and_never_earlier(instant, where):
    found = NINE_TO_SIX.next_inside(instant, where)
    assert is_inside(NINE_TO_SIX, found, where)
    assert instant <= found <= instant + timedelta(hours=24 + 15 + 3)
    assert NINE_TO_SIX.next_inside(found, where) == found


@given(INSTANTS, ZONES, windows(least=1))
def test_whatever_the_window_the_next_instant_is_inside_and_never_earlier(instant, where, window):
    found = window.next_inside(instant, where)
    assert is_inside(window, found, where)
    assert found >= instant


@given(INSTANTS, ZONES, windows(), st.integers(1, 40))
def test_no_waking_instant_is_passed_over(instant, where, window, minutes):
    found = window.next_inside(instant, where)
    between = instant + timedelta(minutes=minutes)
    assert between >= found or not is_inside(window, between, where)


def changes_of(zone: str, year: int) -> list[datetime]:
    where, found = ZoneInfo(zone), []
    at = datetime(year, 1, 1, tzinfo=UTC)
    while at.year == year:
        if at.astimezone(where).utcoffset() != (at + timedelta(hours=1)).astimezone(where).utcoffset():
            found.append(at)
        at += timedelta(hours=1)
    return found


@pytest.mark.parametrize(
    "zone", ["America/New_York", "Europe/London", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca"]
)
def test_around_a_change_of_clocks_every_minute_finds_the_first_waking_one(zone):
    """Compared with looking at one minute after the other."""
    where, window = ZoneInfo(zone), Window(time(0, 40), time(2, 20))
    for change in changes_of(zone, 2026):
        minutes = [change + timedelta(minutes=n) for n in range(-90, 400, 5)]
        for instant in minutes:
            later = (instant + timedelta(minutes=n) for n in range(3 * 24 * 60))
            assert window.next_inside(instant, where) == next(m for m in later if is_inside(window, m, where))


# -- working time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "much", "expected"),
    [
        ("2026-06-01T10:00", "PT1H", "2026-06-01T11:00"),
        ("2026-06-01T16:00", "PT1H", "2026-06-01T17:00"),
        ("2026-06-01T16:30", "PT1H", "2026-06-02T09:30"),
        ("2026-06-05T16:30", "PT1H", "2026-06-08T09:30"),  # over a weekend
        ("2026-06-06T12:00", "PT4H", "2026-06-08T13:00"),  # from a weekend
        ("2026-06-01T07:00", "PT8H", "2026-06-01T17:00"),
        ("2026-06-01T10:00", "PT24H", "2026-06-04T10:00"),
        ("2026-03-06T16:00", "PT4H", "2026-03-09T12:00"),  # over the weekend of the change
        ("2026-06-01T10:00", "P1BD", "2026-06-02T10:00"),
        ("2026-06-05T10:00", "P1BD", "2026-06-08T10:00"),
        ("2026-06-06T12:00", "P1BD", "2026-06-09T09:00"),
        ("2026-06-01T20:00", "P2BD", "2026-06-04T09:00"),
        ("2026-03-06T10:00", "P1BD", "2026-03-09T10:00"),  # the same hour of the clock, 71 hours later
        ("2026-10-30T10:00", "P1BD", "2026-11-02T10:00"),  # 73 hours later
        ("2026-06-01T10:00", "PT0S", "2026-06-01T10:00"),
        ("2026-06-01T20:00", "PT0S", "2026-06-02T09:00"),
    ],
)
def test_working_time_counts_only_while_the_office_is_open(start, much, expected):
    assert OFFICE.add(local(start), clock.span(much)) == local(expected)


def test_closed_days_do_not_count():
    feast = Calendar(zone=OFFICE.zone, hours=OFFICE.hours, closed=(date(2026, 6, 8), date(2026, 6, 9)))
    assert feast.add(local("2026-06-05T16:30"), clock.span("PT1H")) == local("2026-06-10T09:30")
    assert feast.add(local("2026-06-05T10:00"), clock.span("P2BD")) == local("2026-06-11T10:00")
    assert feast.next_open(local("2026-06-05T17:00")) == local("2026-06-10T09:00")


def test_an_office_may_work_on_other_days_and_by_another_clock():
    dubai = Calendar(zone="Asia/Dubai", hours=Window(time(8), time(14)), weekdays=(1, 2, 3, 4, 7))
    assert dubai.add(local("2026-06-04T13:00", "Asia/Dubai"), clock.span("PT2H")) == local(
        "2026-06-07T09:00", "Asia/Dubai"
    )


def test_an_office_that_is_open_when_the_clocks_change_counts_real_hours():
    night = Calendar(zone="America/New_York", hours=Window(time(0), time(8)), weekdays=(1, 2, 3, 4, 5, 6, 7))
    spring, autumn = local("2026-03-08T00:00"), local("2026-11-01T00:00")
    assert night.add(spring, clock.span("PT7H")) == local("2026-03-08T08:00")
    assert night.add(spring, clock.span("PT8H")) == local("2026-03-09T01:00")
    assert night.add(autumn, clock.span("PT9H")) == local("2026-11-01T08:00")


def test_an_office_that_closes_in_the_hour_that_comes_twice_is_open_in_both():
    short = Calendar(zone="America/New_York", hours=Window(time(0), time(1, 30)), weekdays=(1, 2, 3, 4, 5, 6, 7))
    assert short.add(local("2026-11-01T00:00"), clock.span("PT2H")) == local("2026-11-01T01:30", fold=1)
    assert short.add(local("2026-11-01T00:00"), clock.span("PT3H")) == local("2026-11-02T01:00")
    assert short.add(local("2026-11-01T01:10", fold=1), clock.span("PT1H")) == local("2026-11-02T00:40")


def test_a_calendar_without_a_working_day_is_a_bad_document():
    never = Calendar(zone="UTC", hours=OFFICE.hours, weekdays=())
    with pytest.raises(BadDocument, match="no working day within ten years"):
        never.next_open(local("2026-06-01T10:00"))
    closed = tuple(date(2026, 1, 1) + timedelta(days=n) for n in range(3_800))
    with pytest.raises(BadDocument, match="no working day within ten years"):
        Calendar(zone="UTC", hours=OFFICE.hours, closed=closed).add(local("2026-01-01T10:00"), Span(business_days=1))


def calendars():
    return st.builds(
        Calendar,
        zone=ZONES.map(lambda where: where.key),
        hours=windows(),
        weekdays=st.sets(st.integers(1, 7), min_size=1).map(tuple),
    )


def is_open(calendar: Calendar, instant: datetime) -> bool:
    where = ZoneInfo(calendar.zone)
    return calendar.is_open_on(instant.astimezone(where).date()) and is_inside(calendar.hours, instant, where)


@given(calendars(), INSTANTS, st.integers(0, 200 * 60))
def test_working_hours_end_while_open_and_as_much_later_as_was_asked(calendar, instant, minutes):
    much = Span(elapsed=timedelta(minutes=minutes))
    end = calendar.add(instant, much)
    assert end - instant >= much.elapsed
    assert is_open(calendar, end) or is_open(calendar, end - timedelta(seconds=1))
    assert calendar.add(instant, Span(elapsed=much.elapsed + timedelta(minutes=1))) > end


@given(calendars(), INSTANTS, st.integers(1, 30))
def test_business_days_end_on_a_working_day(calendar, instant, number):
    end = calendar.add(instant, Span(business_days=number))
    assert calendar.is_open_on(end.astimezone(ZoneInfo(calendar.zone)).date())
    assert end > instant


@pytest.mark.parametrize(("percent", "expected"), [(0, "09:00"), (50, "11:00"), (100, "13:00"), (150, "15:00")])
def test_a_share_of_a_time_target_is_counted_from_its_start(percent, expected):
    start, due = local("2026-06-01T09:00"), local("2026-06-01T13:00")
    assert clock.at_percent(start, due, percent) == local(f"2026-06-01T{expected}")


def test_instants_that_exist_are_put_in_order():
    first, second = local("2026-06-01T09:00"), local("2026-06-02T09:00")
    assert clock.in_order([second, None, first, None]) == [first, second]
