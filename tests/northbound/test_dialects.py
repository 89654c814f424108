"""Topics and messages of cloud.iO 0.2 and 0.1, and of plain MQTT."""

import pytest

from custom_components.netflex.northbound.cloudio import CloudIo
from custom_components.netflex.northbound.direct_control import direct_control_tree
from custom_components.netflex.northbound.messages import Outgoing, Setting, Told
from custom_components.netflex.northbound.plain import Plain, plain_tree
from custom_components.netflex.northbound.values import Pace, Point

from .homes import CONTROL, HOME, points

TREE, _ = direct_control_tree(HOME)
NEW, OLD = CloudIo(endpoint="ep"), CloudIo(endpoint="ep", old=True)
TOLD = Told(attribute=TREE[CONTROL], value=True, at=1_768_478_400.1234)
SETTING = Setting(attribute=TREE[CONTROL], value=False, at=5.0, correlation="c-1")
UPDATE = {
    "type": "Boolean",
    "constraint": "Parameter",
    "timestamp": 1_768_478_400.123,
    "value": True,
}


def test_an_update_carries_type_constraint_time_in_seconds_and_value() -> None:
    assert NEW.told([TOLD]) == [
        Outgoing(topic="@update/ep/gateway/relay1Control/parameter", data=UPDATE)
    ]
    (old,) = OLD.told([TOLD])
    assert old.topic == (
        "@update/ep/nodes/gateway/objects/relay1Control/attributes/parameter"
    )


def test_what_nobody_knows_is_not_told() -> None:
    unknown = Told(attribute=TREE[CONTROL], value=None, at=1.0)
    assert NEW.told([unknown]) == []
    (online,) = NEW.online(TREE, {CONTROL: unknown})
    attributes = online.data["nodes"]["gateway"]["objects"]["relay1Control"]
    assert attributes["attributes"]["parameter"] == {
        "type": "Boolean",
        "constraint": "Parameter",
    }


def test_values_of_one_moment_may_be_one_transaction() -> None:
    other = Told(attribute=TREE["powerMeter-1/wattsTotal/datapoint"], value=5.0, at=1.0)
    dialect = CloudIo(endpoint="ep", transactions=True)
    (message,) = dialect.told([TOLD, other])
    assert message.topic == "@transaction/ep"
    assert message.data is not None
    assert set(message.data["attributes"]) == {
        "ep/gateway/relay1Control/parameter",
        "ep/powerMeter-1/wattsTotal/datapoint",
    }
    assert message.data["attributes"]["ep/gateway/relay1Control/parameter"] == UPDATE
    (single,) = dialect.told([TOLD])
    assert single.topic.startswith("@update/")


def test_online_is_retained_and_names_its_version() -> None:
    (new,), (old,) = NEW.online(TREE, {CONTROL: TOLD}), OLD.online(TREE, {})
    assert new.retain
    assert new.topic == "@online/ep"
    assert new.data is not None
    assert new.data["version"] == "v0.2"
    assert new.data["supportedFormats"] == ["JSON", "CBOR"]
    gateway = new.data["nodes"]["gateway"]
    assert gateway["implements"] == []
    assert gateway["objects"]["relay1Control"]["attributes"]["parameter"] == UPDATE
    assert old.data is not None
    assert set(old.data) == {"nodes"}
    assert NEW.will == Outgoing(topic="@offline/ep", data=None)


def test_a_set_is_confirmed_with_the_id_that_its_service_awaits() -> None:
    (message,) = NEW.did_set(SETTING)
    assert message.topic == "@didSet/ep/gateway/relay1Control/parameter"
    assert message.data == {
        "type": "Boolean",
        "constraint": "Parameter",
        "timestamp": 5.0,
        "value": False,
        "correlationID": "c-1",
    }
    assert OLD.did_set(SETTING) == []


def test_nodes_that_come_and_go_are_told() -> None:
    after = {path: item for path, item in TREE.items() if item.node != "boilerSensor-1"}
    assert NEW.changed(TREE, after) == [
        Outgoing(topic="@nodeRemoved/ep/boilerSensor-1", data=None)
    ]
    (added,) = NEW.changed(after, TREE)
    assert added.topic == "@nodeAdded/ep/boilerSensor-1"
    assert added.data is not None
    assert "temperature" in added.data["objects"]
    assert OLD.changed(after, TREE)[0].topic == "@nodeAdded/ep/nodes/boilerSensor-1"
    assert NEW.changed(TREE, TREE) == []


def test_what_was_stored_goes_out_as_one_delayed_or_one_by_one() -> None:
    messages = [*NEW.told([TOLD]), Outgoing(topic="@nodeRemoved/ep/x", data=None)]
    (delayed,) = NEW.stored(messages, 1_768_478_400.5)
    assert delayed.topic == "@delayed/ep"
    assert delayed.data == {
        "timestamp": 1_768_478_400_500,
        "messages": [
            {"topic": "@update/ep/gateway/relay1Control/parameter", "data": UPDATE},
            {"topic": "@nodeRemoved/ep/x", "data": None},
        ],
    }
    assert OLD.stored(messages, 1.0) == messages


@pytest.mark.parametrize(
    ("topic", "path"),
    [
        ("@set/ep/gateway/relay1Control/parameter", CONTROL),
        ("@set/ep/nodes/gateway/objects/relay1Control/attributes/parameter", CONTROL),
        ("@set/other/gateway/relay1Control/parameter", None),
        ("@set/ep/gateway", None),
        ("@update/ep/gateway/relay1Control/parameter", None),
        ("", None),
    ],
)
def test_the_attribute_of_a_set_in_either_version(topic: str, path: str | None) -> None:
    assert NEW.path_of(topic) == OLD.path_of(topic) == path


# ------------------------------------------------------------------------------- plain


PLAIN = Plain(base="homes/four")


def tree(**more: Point) -> dict[str, object]:
    return dict(
        plain_tree(
            points() | more,
            Pace(period=15.0, only_changes=True),
            Pace(period=300.0),
            {},
        )
    )


def test_a_plain_topic_is_retained_with_value_unit_and_time() -> None:
    attributes = plain_tree(points(), Pace(period=15.0), Pace(period=300.0), {})
    power = attributes["asset/boiler/power"]
    (message,) = PLAIN.told([Told(attribute=power, value=2000.0, at=7.0)])
    assert message == Outgoing(
        topic="homes/four/asset/boiler/power",
        data={"value": 2000.0, "unit": "W", "timestamp": 7.0},
        retain=True,
    )
    (unknown,) = PLAIN.told([Told(attribute=power, value=None, at=8.0)])
    assert unknown.data == {"value": None, "unit": "W", "timestamp": 8.0}
    assert attributes["grid/energy_import"].pace.period == 300.0
    assert attributes["asset/boiler/enabled"].pace.period is None


def test_only_the_state_that_may_be_set_can_be() -> None:
    attributes = plain_tree(points(), Pace(), Pace(), {})
    settable = [path for path, item in attributes.items() if item.commands is not None]
    assert settable == ["asset/boiler/remote_enabled"]
    assert PLAIN.subscription == "homes/four/asset/+/remote_enabled/set"
    topic = "homes/four/asset/boiler/remote_enabled/set"
    assert PLAIN.path_of(topic) == settable[0]
    assert PLAIN.path_of("homes/four/asset/boiler/remote_enabled") is None
    assert PLAIN.path_of("other/asset/boiler/remote_enabled/set") is None


def test_a_plain_set_is_answered_either_way() -> None:
    attributes = plain_tree(points(), Pace(), Pace(), {})
    setting = Setting(
        attribute=attributes["asset/boiler/remote_enabled"], value=False, at=9.0
    )
    (taken,) = PLAIN.did_set(setting)
    assert taken.topic == "homes/four/asset/boiler/remote_enabled/result"
    assert taken.data == {
        "accepted": True,
        "value": False,
        "unit": None,
        "timestamp": 9.0,
    }
    (refused,) = PLAIN.refused(
        "asset/boiler/remote_enabled", {"correlationID": "x"}, "older: it is older"
    )
    assert refused.data == {
        "accepted": False,
        "reason": "older: it is older",
        "correlationID": "x",
    }


def test_a_point_has_a_topic_from_its_first_value_on() -> None:
    unknown = Point(value=None, unit="W")
    before = plain_tree({"asset.car.power": unknown}, Pace(), Pace(), {})
    assert before == {}
    known = plain_tree({"asset.car.power": Point(value=1.0)}, Pace(), Pace(), before)
    assert plain_tree({"asset.car.power": unknown}, Pace(), Pace(), known) == known
    (cleared,) = PLAIN.changed(known, {})
    assert cleared == Outgoing(
        topic="homes/four/asset/car/power", data=None, retain=True
    )
