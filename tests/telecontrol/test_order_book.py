"""The operator's orders as a value, as JSON, and under the policy for a lost link."""

from datetime import UTC, datetime
import json

from hypothesis import given, strategies as st
import pytest

from custom_components.netflex.model.orders import (
    NO_ORDERS,
    Order,
    OrderName,
    OrderSource,
    QMode,
)
from custom_components.netflex.telecontrol.link_loss import (
    LinkLossAction,
    LinkLossPolicy,
    LinkMark,
)
from custom_components.netflex.telecontrol.order_book import (
    BookFormatError,
    OrderBook,
    make_order,
)
from custom_components.netflex.telecontrol.order_slots import encode_slot

AT = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
MARK = LinkMark(connected=True, age=0.0, utc=AT, boot_time=5.0, boot_id="boot")
VALUES = {
    OrderName.EMERGENCY_STOP_PRODUCTION: st.booleans(),
    OrderName.EMERGENCY_STOP_CONSUMPTION: st.booleans(),
    OrderName.TEST: st.booleans(),
    OrderName.Q_MODE: st.sampled_from(QMode),
    OrderName.REDENP: st.integers(0, 65535),
    OrderName.REDENQ: st.integers(0, 65535),
}
BOOKS = st.lists(
    st.sampled_from(OrderName).flatmap(
        lambda name: st.tuples(
            st.just(name), VALUES.get(name, st.floats(-100, 100, width=32))
        )
    ),
    max_size=30,
)


def _book(given_orders: list[tuple[OrderName, object]]) -> OrderBook:
    book = OrderBook(link=MARK)
    for name, value in given_orders:
        book = book.with_order(name, make_order(name, value, OrderSource.OPERATOR, AT))
    return book


@given(given_orders=BOOKS)
def test_a_book_comes_back_as_it_was_stored(
    given_orders: list[tuple[OrderName, object]],
) -> None:
    book = _book(given_orders)
    stored = json.loads(json.dumps(book.to_json()))
    restored = OrderBook.from_json(stored)
    assert restored.to_json() == stored | {
        part: {
            name: order | {"source": "restored"} for name, order in stored[part].items()
        }
        for part in ("orders", "band")
    }
    assert encode_slot(1, stored | {"inode": 2**63})
    low, high = restored.in_force().minsetq, restored.in_force().maxsetq
    assert low is None or high is None or low.value <= high.value


def test_the_largest_book_fits_its_slot() -> None:
    widest = {
        OrderName.Q_MODE: QMode.REMOTE,
        OrderName.TEST: False,
        OrderName.EMERGENCY_STOP_PRODUCTION: False,
        OrderName.EMERGENCY_STOP_CONSUMPTION: False,
    }
    smallest = 1.401298464324817e-45
    book = _book(
        [
            (name, widest.get(name, 65535 if "reden" in name else smallest))
            for name in OrderName
        ]
    )
    raw = encode_slot(2**63, book.to_json() | {"inode": 2**63})
    assert len(raw.rstrip(b"\0")) < len(raw) / 2


@pytest.mark.parametrize(
    "change",
    [
        {"orders": {"maxsetx": {"value": 1, "source": "operator", "at": "x"}}},
        {"orders": {"maxsetp": {"value": "1", "source": "operator", "at": str(AT)}}},
        {"orders": {"maxsetp": {"value": True, "source": "operator", "at": str(AT)}}},
        {"orders": {"test": {"value": 1, "source": "operator", "at": str(AT)}}},
        {"orders": {"maxsetp": {"value": 1, "source": "fallback", "at": str(AT)}}},
        {"orders": {"maxsetp": {"value": 1, "source": "operator", "at": "2026-01-01"}}},
        {"orders": {"maxsetp": {"value": 1, "source": "operator"}}},
        {"orders": None},
        {"band": {"middle": {}}},
        {"link": {"connected": True}},
        {"more": 1},
    ],
)
def test_another_form_is_refused_and_never_guessed(change: dict[str, object]) -> None:
    stored = OrderBook().to_json() | change
    with pytest.raises(BookFormatError):
        OrderBook.from_json(stored)
    with pytest.raises(BookFormatError):
        OrderBook.from_json([])


def test_only_the_right_type_makes_an_order() -> None:
    for name, value in (
        (OrderName.TEST, 1.0),
        (OrderName.MAXSETP, True),
        (OrderName.Q_MODE, 1),
        (OrderName.REDENP, 1.5),
        (OrderName.MAXSETP, QMode.LOCAL),
    ):
        with pytest.raises(ValueError):
            make_order(name, value, OrderSource.OPERATOR, AT)


def test_an_order_can_be_taken_back() -> None:
    book = _book([(OrderName.MAXSETP, 10.0)]).with_order(OrderName.MAXSETP, None)
    assert book.accepted == NO_ORDERS


def test_a_reversed_band_swaps_its_ends() -> None:
    book = _book([(OrderName.MINSETQ, 0.0), (OrderName.MAXSETQ, 30.0)])
    orders = book.in_force(reverse_band=True)
    assert orders.minsetq == Order(value=-30.0, source=OrderSource.OPERATOR, at=AT)
    assert orders.maxsetq is not None
    assert str(orders.maxsetq.value) == "0.0"


@pytest.mark.parametrize(
    "options",
    [
        {"delay": -1.0},
        {"delay": float("nan")},
        {"action": LinkLossAction.FALLBACK},
        {"fallback": {OrderName.MAXSETP: 101.0}},
        {"fallback": {OrderName.MAXSETP: float("nan")}},
        {"fallback": {OrderName.TEST: 1.0}},
    ],
)
def test_S05_a_policy_is_checked(options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        LinkLossPolicy(**options)
