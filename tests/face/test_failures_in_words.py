"""What fails is said in the user's language: real failures through the real forms."""

import ast
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
import re
import time
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import yaml

from custom_components.netflex.devices.profile_loader import BUILT_IN, read_file
from custom_components.netflex.devices.yaml_nodes import Reader
from custom_components.netflex.iec104 import CloseCode, CloseReason
from custom_components.netflex.model.failure import reason_of
from custom_components.netflex.model.phrase import Phrase
from custom_components.netflex.simulation.modbus import ModbusWire
from custom_components.netflex.simulation.relay import MoxaRelays
from custom_components.netflex.telecontrol.close_words import close_words
from custom_components.netflex.words import Words, async_words
from tests.metering.wires import Adapter

from . import sites
from .fakes import FakeSite
from .test_market_flows import add_mode
from .test_options import reach, submit, tls
from .test_subentry_flows import CHARGER_DEVICE, Form, add_p1
from .test_words import texts
from .translations import ENGLISH, INTEGRATION

LANGUAGES = ("nl", "fr", "de")


@pytest.fixture
def entry() -> MockConfigEntry:
    """A site without meters and assets."""
    return sites.site_entry(complete=False)


async def speak(hass: HomeAssistant, language: str) -> None:
    """Set Home Assistant to a language, whose texts are loaded then."""
    hass.config.language = language
    await async_words(hass, language)


def detail(result: Any) -> str:
    """Return what a form says of what is wrong."""
    text: str = result["description_placeholders"]["detail"]
    return text


@pytest.mark.usefixtures("site", "no_entities", "socket_enabled")
class TestPorts:
    """Ports and devices on this machine, reached through the forms."""

    @pytest.mark.parametrize(
        ("language", "said"),
        [
            ("nl", "weigert de verbinding: is de adapter ingesteld, en vrij?"),
            ("fr", "refuse la connexion : l'adaptateur est-il configuré, et libre ?"),
            ("de", "lehnt die Verbindung ab: Ist der Adapter eingerichtet, und frei?"),
        ],
    )
    async def test_a_port_that_refuses(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        unused_tcp_port: int,
        language: str,
        said: str,
    ) -> None:
        await speak(hass, language)
        url = f"socket://127.0.0.1:{unused_tcp_port}"
        result = await add_p1(Form(hass, entry, "meter"), port=url)
        assert result["errors"] == {"base": "cannot_connect"}
        assert detail(result).startswith(f"{url} {said}")
        assert "The " not in detail(result)
        assert "An adapter" not in detail(result)

    @pytest.fixture
    async def adapter(self) -> AsyncGenerator[Adapter]:
        """A port on the network; a test says what it sends."""
        served = Adapter()
        await served.open()
        with patch("custom_components.netflex.flows.probing.P1_TIMEOUT", 0.3):
            yield served
        await served.close()

    @pytest.mark.parametrize(
        ("language", "said"),
        [
            ("nl", "De verbinding staat, maar de meter zwijgt. De gebruikerspoort"),
            (
                "fr",
                "La connexion est établie, mais le compteur n'envoie rien. Le port",
            ),
            ("de", "Die Verbindung steht, aber der Zähler schweigt. Die Kunden"),
        ],
    )
    async def test_silence(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        adapter: Adapter,
        language: str,
        said: str,
    ) -> None:
        await speak(hass, language)
        result = await add_p1(Form(hass, entry, "meter"), port=adapter.url)
        assert result["errors"] == {"base": "no_data"}
        assert detail(result).startswith(said)

    @pytest.mark.parametrize(
        ("language", "said"),
        [
            ("nl", "Er komen gegevens binnen, maar geen goed P1-telegram"),
            ("fr", "Des données arrivent, mais aucun télégramme P1 valable"),
            ("de", "Es kommen Daten, aber kein gutes P1-Telegramm"),
        ],
    )
    async def test_a_port_that_is_no_p1(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        adapter: Adapter,
        language: str,
        said: str,
    ) -> None:
        await speak(hass, language)
        adapter.greeting = b"SSH-2.0-OpenSSH_9.9\r\n"
        result = await add_p1(Form(hass, entry, "meter"), port=adapter.url)
        assert result["errors"] == {"base": "not_p1"}
        assert detail(result).startswith(said)

    @pytest.mark.parametrize(
        ("language", "said"),
        [
            (
                "nl",
                "(de verbinding wordt geweigerd: er luistert daar niets). Het aanvaardt",
            ),
            (
                "fr",
                "(la connexion est refusée : rien n'écoute à cet endroit). Il accepte",
            ),
            ("de", "(die Verbindung wird abgelehnt: dort wartet kein Dienst"),
        ],
    )
    async def test_a_charger_that_is_not_there(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        unused_tcp_port: int,
        language: str,
        said: str,
    ) -> None:
        await speak(hass, language)
        form = Form(hass, entry, "charger")
        await form.begin()
        await form.choose("profile")
        address = {"host": "127.0.0.1", "port": unused_tcp_port}
        result = await form.submit(CHARGER_DEVICE | address)
        assert result["errors"] == {"base": "cannot_connect"}
        assert said in detail(result)

    @pytest.fixture
    async def relays(self) -> AsyncGenerator[ModbusWire]:
        """A relay module on a port of this machine."""
        wire = ModbusWire(name="relays", units=[MoxaRelays({})], clock=time.monotonic)
        await wire.plug()
        yield wire
        await wire.unplug()

    @pytest.mark.parametrize(
        ("language", "said"),
        [
            ("nl", "het lukte het toestel niet. Nodig: de betalende licentie"),
            ("fr", "l'appareil n'y est pas parvenu. Il lui faut : la licence payante"),
            ("de", "dem Gerät gelang es nicht. Nötig ist: die kostenpflichtige Lizenz"),
        ],
    )
    async def test_another_model_than_the_chosen_one(
        self,
        hass: HomeAssistant,
        entry: MockConfigEntry,
        relays: ModbusWire,
        language: str,
        said: str,
    ) -> None:
        await speak(hass, language)
        form = Form(hass, entry, "charger")
        await form.begin()
        await form.choose("profile")
        address = {"host": "127.0.0.1", "port": relays.port}
        result = await form.submit(CHARGER_DEVICE | address)
        assert result["errors"] == {"base": "not_enabled"}
        assert said in detail(result)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("nl", "het is geen bestand in PEM-formaat, of geen volledig"),
        ("fr", "ce n'est pas un fichier au format PEM, ou il est incomplet"),
        ("de", "es ist keine Datei im PEM-Format, oder keine vollständige"),
    ],
)
async def test_a_certificate_that_is_none(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    tmp_path: Path,
    language: str,
    said: str,
) -> None:
    await speak(hass, language)
    for name in ("own.pem", "own.key", "ca.pem"):
        (tmp_path / name).write_text(name)
    result = await submit(hass, await reach(hass, entry, "tls"), tls(tmp_path))
    assert result["errors"] == {"base": "tls_unusable"}
    assert detail(result) == said


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("nl", "de prijs om onder te laden moet lager zijn dan die om boven te"),
        ("fr", "le prix sous lequel charger doit être inférieur à celui au-dessus"),
        ("de", "der Preis, unter dem geladen wird, muss niedriger sein als der"),
    ],
)
async def test_a_mode_that_cannot_be(
    hass: HomeAssistant,
    site: FakeSite,
    entry: MockConfigEntry,
    language: str,
    said: str,
) -> None:
    await speak(hass, language)
    prices = {"charge_below": 100, "discharge_above": 50}
    result = await add_mode(hass, entry, "price_threshold", prices)
    assert result["errors"] == {"base": "mode_impossible"}
    assert said in detail(result)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", list(CloseCode))
def test_every_reason_of_a_closed_link_has_words(
    language: str, code: CloseCode
) -> None:
    words = close_words(CloseReason(code, "N(S) 3, expected 5"))
    assert Words("en", texts("en")).say(words) == str(words)
    assert Words(language, texts(language)).say(words) != str(words)


class TestReasons:
    """What is taken from an error."""

    def test_a_phrase_is_kept(self) -> None:
        phrase = Phrase("own_fault", "an error of the integration itself, see the log")
        assert reason_of(ValueError(phrase)) is phrase

    @pytest.mark.parametrize(
        ("err", "key"),
        [
            (OSError(111, "Connection refused"), "os_refused"),
            (
                OSError("Multiple exceptions: [Errno 111] a, [Errno 111] b"),
                "os_refused",
            ),
            (TimeoutError(), "os_no_answer"),
            (OSError(28, "No space left on device"), "os_disk_full"),
            (PermissionError(13, "Permission denied", "/x"), "os_file"),
        ],
    )
    def test_frequent_answers_have_words(self, err: OSError, key: str) -> None:
        answer = reason_of(err)
        assert isinstance(answer, Phrase)
        assert answer.key == key

    def test_it_looks_behind_what_a_library_made_of_it(self) -> None:
        library = RuntimeError("something broke")
        library.__cause__ = ConnectionResetError(104, "Connection reset by peer")
        answer = reason_of(library)
        assert isinstance(answer, Phrase)
        assert answer.key == "os_closed"

    def test_other_answers_stay_as_they_are(self) -> None:
        assert reason_of(OSError(5, "I/O")) == "[Errno 5] I/O"
        assert reason_of(OSError("[Errno 111] a, [Errno 113] b")).startswith("[Errno")
        assert reason_of(KeyError()) == "KeyError"


# ------------------------------------------------------ nobody falls back into English

LAYERS = (
    "control",
    "devices",
    "flows",
    "market",
    "metering",
    "model",
    "northbound",
    "site",
    "telecontrol",
    "telemetry",
)
NOT_SHOWN = {
    # For who writes a device profile: a place in a file, as a compiler says it.
    "ProfileError": "devices",
    # Counted as damaged, and never shown.
    "DlmsError": "metering",
    "NoKeyError": "metering",
    "WrongKeyError": "metering",
    "TelegramError": "metering",
    # What a remote peer sent; shown as a detail of a phrase.
    "CborError": "northbound",
    # Back-tests run from the command line.
    "BacktestError": "control",
    "DaysError": "telemetry",
    # Own stores, whose trouble goes to the log.
    "UnknownVersionError": "control",
    "UnknownDemandVersionError": "metering",
    # They are shown by their key.
    "RehearsalRefusedError": "site",
}
"""Errors of these layers that carry plain English, with the layer that they are of."""


@dataclass(frozen=True, slots=True)
class Raised:
    """Where an error of ours is made, and its texts."""

    place: str
    name: str
    texts: tuple[str, ...]


def _is_plain(node: ast.expr) -> bool:
    """Whether an argument is an English sentence that nobody can translate."""
    match node:
        case ast.Constant(value=str(text)):
            return " " in text.strip()
        case ast.JoinedStr():
            return any(
                isinstance(part, ast.Constant)
                and re.search(r"[a-z] | [a-z]", str(part.value)) is not None
                for part in node.values
            )
        case ast.BinOp():
            return _is_plain(node.left) or _is_plain(node.right)
        case ast.IfExp():
            return _is_plain(node.body) or _is_plain(node.orelse)
    return False


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for layer in LAYERS:
        for path in sorted((INTEGRATION / layer).rglob("*.py")):
            yield path, ast.parse(path.read_text())
    for path in sorted(INTEGRATION.glob("*.py")):
        yield path, ast.parse(path.read_text())


def _own_errors() -> set[str]:
    """Return the names of the exceptions that these layers define."""
    return {
        node.name
        for _, module in _modules()
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
        and any(
            ast.unparse(base).endswith(("Error", "Exception")) for base in node.bases
        )
    } | {"PointProblem"}


def _plain_texts() -> Iterator[Raised]:
    shown = _own_errors() - NOT_SHOWN.keys()
    for path, module in _modules():
        for node in ast.walk(module):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func).rpartition(".")[2]
            values = [*node.args, *(word.value for word in node.keywords)]
            plain = tuple(ast.unparse(value) for value in values if _is_plain(value))
            if name in shown and plain:
                yield Raised(f"{path.name}:{node.lineno}", name, plain)


def test_errors_that_a_user_sees_carry_phrases() -> None:
    assert {"DeviceError", "NotP1Error", "OptionsError", "CodecError"} <= _own_errors()
    assert list(_plain_texts()) == []


def test_what_is_left_out_is_there() -> None:
    errors = _own_errors()
    assert NOT_SHOWN.keys() <= errors


def test_the_words_of_an_error_are_not_lost_on_the_way_to_a_user() -> None:
    """`str(err)` of an error with a phrase is its English text: `reason_of` keeps it."""
    lost = [
        f"{path.name}:{node.lineno}"
        for path, module in _modules()
        if path.parent == INTEGRATION or path.parent.name == "flows"
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and ast.unparse(node) in {"str(err)", "str(error)"}
    ]
    # What voluptuous says of options by hand, and what the log says of a child process.
    assert {place.partition(":")[0] for place in lost} <= {
        "simulated_site.py",
        "telecontrol_options.py",
    }


def test_what_shipped_profiles_say_is_said_in_every_language() -> None:
    """A text that is changed in a profile needs new words: its key is told by it."""
    said: set[Phrase] = set()
    hint = Reader.hint

    def collected(reader: Reader) -> Phrase:
        said.add(text := hint(reader))
        return text

    with patch.object(Reader, "hint", collected):
        for path in sorted(BUILT_IN.glob("*.yaml")):
            read_file(path.read_text(encoding="utf-8"), path.name)

    assert len(said) > 100
    keys = {text.key for text in said}
    assert keys == {key for key in ENGLISH["common"] if key.startswith("hint_")}
    assert [text for text in said if ENGLISH["common"][text.key] != text] == []
    for language in LANGUAGES:
        words = Words(language, texts(language))
        assert [text for text in said if words.say(text) == text] == []


def test_what_a_profile_of_ones_own_says_stays_as_it_is() -> None:
    reader = Reader("own.yaml", yaml.compose("open {Modbus} in its app"))
    assert Words("nl", texts("nl")).say(reader.hint()) == "open {Modbus} in its app"
