"""The bridge against a real broker: what it tells, what it takes, what it refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custom_components.netflex.northbound.codec import Format, encode
from custom_components.netflex.northbound.settings import Protocol

from .broker import Broker, listening, until
from .homes import BOILER, CONTROL, ENDPOINT, HOME, Home, home, points, settings_of

pytestmark = [pytest.mark.peer, pytest.mark.usefixtures("socket_enabled")]

TECHNICAL = f"@update/{ENDPOINT}/SmartMeterTechnical/obis_1_0_1_7_0_255_2/datapoint"
SET = f"@set/{ENDPOINT}/{CONTROL}"


def command(house: Home, value: Any, *, late: float = 0.0, **more: Any) -> bytes:
    data = {"timestamp": house.time[0] - late, "value": value, **more}
    return encode(data, Format.JSON)


@pytest.mark.parametrize("form", list(Format))
async def test_an_endpoint_announces_itself_tells_values_and_takes_leave(
    tls_broker: Broker, tmp_path: Path, form: Format
) -> None:
    settings = settings_of(tls_broker, format=form)
    async with listening(tls_broker) as (_, heard):
        async with home(settings, tmp_path) as house:
            await house.connected()
            house.take(points())
            await until(lambda: heard.of(TECHNICAL))
        await until(lambda: heard.of(f"@offline/{ENDPOINT}"))
    assert heard.topics()[0] == f"@online/{ENDPOINT}"
    assert heard.of(TECHNICAL) == [
        {
            "type": "Number",
            "constraint": "Measure",
            "timestamp": house.time[0],
            "value": 1500.0,
        }
    ]
    # Only the announcement is kept by the broker.
    async with listening(tls_broker) as (_, later):
        await until(lambda: later.retained)
    assert later.retained == {f"@online/{ENDPOINT}"}


@pytest.mark.parametrize("form", list(Format))
async def test_a_set_reaches_the_site_and_is_confirmed_with_its_id(
    tls_broker: Broker, tmp_path: Path, form: Format
) -> None:
    settings = settings_of(tls_broker, format=form)
    async with (
        listening(tls_broker) as (client, heard),
        home(settings, tmp_path) as house,
    ):
        await house.connected()
        house.take(points())
        payload = encode(
            {"timestamp": house.time[0], "value": False, "correlationID": "c-7"}, form
        )
        await client.publish(SET, payload, qos=1)
        await until(lambda: heard.of(f"@didSet/{ENDPOINT}"))
        (setting,) = house.settings
        assert (setting.attribute.commands, setting.value) == ("boiler", False)
        assert heard.of(f"@didSet/{ENDPOINT}") == [
            {
                "type": "Boolean",
                "constraint": "Parameter",
                "timestamp": house.time[0],
                "value": False,
                "correlationID": "c-7",
            }
        ]
        # Who only listens to updates sees it as well.
        house.take(points(enabled=False))
        update = f"@update/{ENDPOINT}/{CONTROL}"
        await until(lambda: heard.of(update)[-1]["value"] is False)
        assert house.bridge.state.accepted == 1
        assert house.bridge.state.last_refusal is None


async def test_case_15_a_set_older_than_the_value_is_ignored(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        listening(broker) as (client, heard),
        home(settings_of(broker), tmp_path) as house,
    ):
        await house.connected()
        house.take(points())
        house.take(points(), 100)
        await client.publish(SET, command(house, False, late=10), qos=1)
        await until(lambda: house.settings)
        await client.publish(SET, command(house, True, late=11), qos=1)
        # The same again in ms.
        late = encode(
            {"timestamp": (house.time[0] - 11) * 1000, "value": True}, Format.JSON
        )
        await client.publish(SET, late, qos=1)
        await until(lambda: house.bridge.state.refused.get("older") == 2)
        await client.publish(SET, command(house, True, late=9), qos=1)
        await until(lambda: len(house.settings) == 2)
        assert [setting.value for setting in house.settings] == [False, True]
        await until(lambda: len(heard.of("@didSet/")) == 2)


async def test_a_set_that_is_older_than_the_endpoint_changes_nothing(
    broker: Broker, tmp_path: Path
) -> None:
    async with listening(broker) as (client, _):
        async with home(settings_of(broker), tmp_path) as house:
            stale = command(house, False, late=60)
        await client.publish(SET, stale, qos=1, retain=True)
        async with home(settings_of(broker), tmp_path) as house:
            await until(lambda: house.bridge.state.refused.get("older") == 1)
            assert house.settings == []
        await client.publish(SET, b'{"value": 0}', qos=1, retain=True)
        async with home(settings_of(broker), tmp_path) as house:
            await until(lambda: house.bridge.state.refused.get("without_time") == 1)
            assert house.settings == []


async def test_bad_input_is_refused_counted_and_changes_nothing(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        listening(broker) as (client, heard),
        home(settings_of(broker), tmp_path) as house,
    ):
        await house.connected()
        house.take(points())
        bad = {
            "malformed": b"\xa1\x65valu",
            "too_large": b'{"value":"' + b"a" * 100_000 + b'"}',
            "wrong_type": command(house, "off"),
            "future": command(house, False, late=-3600),
            "not_settable": b'{"value": 1}',
            "unknown_attribute": b'{"value": 1}',
        }
        topics = {
            "not_settable": f"@set/{ENDPOINT}/gateway/relay1State/datapoint",
            "unknown_attribute": f"@set/{ENDPOINT}/gateway/relay9Control/parameter",
        }
        for problem, payload in bad.items():
            await client.publish(topics.get(problem, SET), payload, qos=1)
        await client.publish(f"@set/{ENDPOINT}/a/b/c/d", b"{}", qos=1)
        await until(lambda: sum(house.bridge.state.refused.values()) == len(bad) + 1)
        refused = house.bridge.state.refused
        assert refused == dict.fromkeys(bad, 1) | {"unknown_attribute": 2}
        last = house.bridge.state.last_refusal
        assert last is not None
        assert last.subject.endswith("/a/b/c/d")
        assert house.settings == []
        assert heard.of("@didSet/") == []
        assert house.bridge.state.connected


async def test_outbound_only_until_control_is_allowed(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        listening(broker) as (client, _),
        home(settings_of(broker, control=None), tmp_path) as house,
    ):
        await house.connected()
        await client.publish(SET, command(house, False), qos=1)
        await until(lambda: house.bridge.state.refused.get("not_allowed") == 1)
        assert house.settings == []


async def test_what_the_site_does_not_take_is_refused_in_its_words(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        listening(broker) as (client, heard),
        home(settings_of(broker), tmp_path) as house,
    ):
        house.refuse = "the load is locked out"
        await house.connected()
        await client.publish(SET, command(house, False), qos=1)
        await until(lambda: house.bridge.state.refused.get("not_taken") == 1)
        last = house.bridge.state.last_refusal
        assert last is not None
        assert last.text == "the load is locked out"
        assert heard.of("@didSet/") == []
        # It does not count as the present value.
        house.refuse = None
        await client.publish(SET, command(house, False), qos=1)
        await until(lambda: heard.of("@didSet/"))


async def test_version_0_1_speaks_the_long_topics_and_confirms_by_update(
    tls_broker: Broker, tmp_path: Path
) -> None:
    settings = settings_of(tls_broker, protocol=Protocol.CLOUDIO_01)
    label = f"{ENDPOINT}/nodes/gateway/objects/relay1Control/attributes/parameter"
    async with (
        listening(tls_broker) as (client, heard),
        home(settings, tmp_path) as house,
    ):
        await house.connected()
        house.take(points())
        await client.publish(
            f"@set/{label}", b'{"timestamp": %d, "value": 0}' % house.time[0], qos=1
        )
        await until(lambda: house.settings)
        house.take(points(enabled=False))
        await until(lambda: len(heard.of(f"@update/{label}")) == 2)
        assert heard.of(f"@update/{label}")[-1]["value"] is False
        assert heard.of("@didSet") == []
        assert set(heard.of("@online")[0]) == {"nodes"}


async def test_nodes_that_come_and_go_are_told_while_it_runs(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        listening(broker) as (_, heard),
        home(settings_of(broker), tmp_path) as house,
    ):
        await house.connected()
        two = replace(HOME, assets=(BOILER, replace(BOILER, id="heating")))
        await house.bridge.set_site(two)
        await until(lambda: heard.of(f"@nodeAdded/{ENDPOINT}/powerMeter-2"))
        await house.bridge.set_site(replace(HOME, assets=(), thermometers={}))
        await until(lambda: heard.of(f"@nodeRemoved/{ENDPOINT}/powerMeter-2"))
        assert heard.of(f"@nodeRemoved/{ENDPOINT}/gateway")


async def test_values_of_one_moment_as_one_transaction(
    broker: Broker, tmp_path: Path
) -> None:
    async with (
        listening(broker) as (_, heard),
        home(settings_of(broker, transactions=True), tmp_path) as house,
    ):
        await house.connected()
        house.take(points())
        await until(lambda: heard.of("@transaction"))
        (transaction,) = heard.of(f"@transaction/{ENDPOINT}")
        assert len(transaction["attributes"]) == 7
        assert f"{ENDPOINT}/{CONTROL}" in transaction["attributes"]


async def test_plain_topics_hold_the_state_for_whoever_comes_later(
    broker: Broker, tmp_path: Path
) -> None:
    settings = settings_of(
        broker, protocol=Protocol.PLAIN, endpoint="homes/four", format=Format.JSON
    )
    power, enabled = "homes/four/asset/boiler/power", "asset/boiler/remote_enabled"
    async with listening(broker, "homes/#") as (client, heard):
        async with home(settings, tmp_path) as house:
            await house.connected()
            house.take(points())
            await until(lambda: heard.of(power))
            async with listening(broker, "homes/#") as (_, later):
                await until(lambda: len(later.retained) == 8)
                assert later.of(power) == [
                    {"value": 2000.0, "unit": "W", "timestamp": house.time[0]}
                ]
                assert later.of("homes/four/status") == [{"online": True}]
            await client.publish(
                f"homes/four/{enabled}/set", command(house, 0, correlationID="x"), qos=1
            )
            result = f"homes/four/{enabled}/result"
            await until(lambda: heard.of(result))
            assert heard.of(result)[0]["accepted"] is True
            assert heard.of(result)[0]["correlationID"] == "x"
            await client.publish(f"homes/four/{enabled}/set", b"nonsense", qos=1)
            await until(lambda: len(heard.of(result)) == 2)
            assert heard.of(result)[1]["accepted"] is False
            assert heard.of(result)[1]["reason"].startswith("malformed")
            gone = {k: v for k, v in points().items() if not k.endswith(".power")}
            house.take(gone)
            await until(lambda: heard.of(power)[-1] is None)
        await until(lambda: heard.of("homes/four/status")[-1] == {"online": False})
