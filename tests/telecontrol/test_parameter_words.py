"""What is wrong with a parameter, in the words of whoever set it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from custom_components.netflex.iec104 import ParameterError, ParameterRule, engine
from custom_components.netflex.iec104.config import StationConfig
from custom_components.netflex.iec104.engine import Engine, check_engine
from custom_components.netflex.iec104.parameters import LinkParameters
from custom_components.netflex.iec104.tls import TlsSettings
from custom_components.netflex.telecontrol.parameter_words import parameter_words

FILE = Path("file.pem")
TLS = TlsSettings(certificate=FILE, key=FILE, authorities=FILE)


@pytest.mark.parametrize(
    ("wrong", "key", "text"),
    [
        (lambda: LinkParameters(k=0), "parameter_range", "k is 0: must be 1 to "),
        (
            lambda: LinkParameters(t1=10.0, t2=10.0),
            "parameter_t2",
            "t2 is 10.0: must be below t1 (10",
        ),
        (
            lambda: LinkParameters(k=12, w=9),
            "parameter_w",
            "w is 9: must be at most 2/3 of k (8)",
        ),
        (
            lambda: StationConfig(allowed_clients=frozenset({"rtu"})),
            "parameter_address",
            "allowed_clients is rtu: is no IP address",
        ),
        (
            lambda: check_engine(Engine.C104, StationConfig()),
            "parameter_no_c104",
            "the package c104 is not installed",
        ),
        (
            lambda: check_engine(Engine.C104, StationConfig(tls=TLS)),
            "parameter_c104_tls",
            "Use the built-in engine with TLS",
        ),
    ],
)
def test_each_rule_has_words_of_its_own(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[], object], key: str, text: str
) -> None:
    installed = key == "parameter_c104_tls"
    monkeypatch.setattr(engine, "find_spec", lambda _: object() if installed else None)
    with pytest.raises(ParameterError) as fault:
        wrong()
    said = parameter_words(fault.value)
    assert text in said
    assert said.key == "parameter_is"
    assert said.figures["limit"].key == key  # type: ignore[attr-defined]


def test_two_points_at_an_address_and_a_rule_without_words() -> None:
    twice = ParameterError(
        "engine",
        Engine.C104,
        "one point at an address",
        ParameterRule.C104_ONE_POINT,
        ioa="7",
        order="maxsetp",
        monitored="power",
    )
    assert "7 is both maxsetp and power" in parameter_words(twice)
    plain = ParameterError("port", 0, "must be a port")
    assert parameter_words(plain) == "port is 0: must be a port"
