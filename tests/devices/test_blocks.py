"""Planning of reads within what a device bears."""

from hypothesis import given, strategies as st

from custom_components.netflex.devices.blocks import Read, plan_reads, split
from custom_components.netflex.devices.profile import (
    Area,
    Block,
    LinkSettings,
    Point,
    Poll,
    Register,
)
from custom_components.netflex.devices.registers import Encoding, RegisterType


def point(
    at: int, count: int = 1, area: Area = Area.HOLDING, unit: str = "main"
) -> Point:
    kind = {1: RegisterType.U16, 2: RegisterType.U32, 4: RegisterType.U64}.get(
        count, RegisterType.STR
    )
    return Point(
        key=f"{unit}.{area}.{at}",
        register=Register(
            unit=unit,
            area=area,
            at=at,
            type=RegisterType.BIT if area.bits else kind,
            count=count,
            encoding=Encoding(),
        ),
    )


def spans(reads: tuple[Read, ...]) -> list[tuple[int, int]]:
    return [(read.at, read.count) for read in reads]


def test_near_values_share_a_read_and_far_ones_do_not() -> None:
    points = [point(306, 2), point(320, 2), point(344, 2), point(1210, 2)]
    assert spans(plan_reads(points, LinkSettings(max_gap=22))) == [(306, 40), (1210, 2)]
    assert spans(plan_reads(points, LinkSettings(max_gap=20))) == [
        (306, 16),
        (344, 2),
        (1210, 2),
    ]


def test_a_read_is_never_longer_than_the_device_bears_and_cuts_no_value() -> None:
    points = [point(at, 4) for at in range(0, 40, 4)]
    assert spans(plan_reads(points, LinkSettings(max_read=10))) == [
        (0, 8),
        (8, 8),
        (16, 8),
        (24, 8),
        (32, 8),
    ]


def test_one_value_per_request() -> None:
    points = [point(1020, 2), point(1022, 2)]
    settings = LinkSettings(per_register_reads=True)
    assert spans(plan_reads(points, settings)) == [(1020, 2), (1022, 2)]


def test_forbidden_addresses_are_never_touched() -> None:
    points = [point(728), point(732), point(745)]
    settings = LinkSettings(max_gap=50, forbidden=((730, 730), (740, 741)))
    assert spans(plan_reads(points, settings)) == [(728, 1), (732, 1), (745, 1)]


def test_declared_blocks_are_read_as_declared() -> None:
    block = Block(unit="main", area=Area.HOLDING, at=300, count=62, poll=Poll.FAST)
    reads = plan_reads(
        [point(306, 2), point(344, 2), point(400)], LinkSettings(), [block]
    )
    assert spans(reads) == [(300, 62), (400, 1)]
    assert [p.register.at for p in reads[0].points] == [306, 344]


def test_areas_and_units_are_read_apart() -> None:
    points = [
        point(0),
        point(1, area=Area.INPUT),
        point(2, area=Area.COIL),
        point(3, unit="other"),
    ]
    assert len(plan_reads(points, LinkSettings())) == 4


def test_a_refused_read_is_split_into_its_values() -> None:
    (read,) = plan_reads([point(10, 2), point(14)], LinkSettings())
    assert spans(split(read)) == [(10, 2), (14, 1)]


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from([1, 2, 4])),
        min_size=1,
        max_size=30,
    ),
    st.integers(4, 125),
    st.integers(0, 124),
    st.booleans(),
)
def test_every_point_is_read_once_and_within_the_limits(
    places: list[tuple[int, int]], max_read: int, max_gap: int, single: bool
) -> None:
    points = [
        Point(key=str(index), register=point(at, count).register)
        for index, (at, count) in enumerate(places)
    ]
    forbidden = (401, 402)
    reads = plan_reads(
        points,
        LinkSettings(
            max_read=max_read,
            max_gap=max_gap,
            per_register_reads=single,
            forbidden=(forbidden,),
        ),
    )
    keys = [p.key for read in reads for p in read.points]
    assert sorted(keys) == sorted(p.key for p in points)
    for read in reads:
        assert read.count <= max_read
        words = list(range(read.at, read.at + read.count))
        for p in read.points:
            assert p.register.at is not None
            expected = list(range(p.register.at, p.register.at + p.register.count))
            assert list(read.words_of(p, words)) == expected
