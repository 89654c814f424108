"""cloud.iO's own Python packages in a process of their own.

Runs under the peers' interpreter: `cloudio_peer.py application|endpoint PORT FOLDER NAME`.
The folder holds `authority.pem`, and `NAME.pem` and `NAME.key` of who speaks. Prints one
JSON object per line; reads commands of the same kind from standard input.

The application learns an endpoint from its retained `@online` message (instead of the
REST service), listens to every attribute through `CloudioConnector`, and sets values the
way the services do.
"""

import json
from pathlib import Path
import sys
import time

from cbor import cbor
from paho.mqtt import client as mqtt

NAME = "goflex-dc-004"


def say(**event):
    """Print one event."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def loads(payload):
    """Decode a payload the way that the connector does."""
    try:
        return json.loads(payload)
    except ValueError:
        return cbor.loads(payload)


def application(port, folder, name):
    """Be an application of cloud.iO."""
    from cloudio_connector import AttributeListener, CloudioConnector  # noqa: PLC0415

    class Listener(AttributeListener):
        def attribute_has_changed(self, attribute, data):
            say(event="attribute", id=str(attribute), data=data)

    class Connector(CloudioConnector):
        def _mqtt_connect(self):
            client = self._mqtt_client
            client.tls_set(
                str(folder / "authority.pem"),
                str(folder / f"{name}.pem"),
                str(folder / f"{name}.key"),
            )
            client.connect("127.0.0.1", port)
            client.loop_forever()

        def _on_connect(self, client, userdata, flags, rc):
            super()._on_connect(client, userdata, flags, rc)
            for topic in ("@online", "@didSet", "@delayed", "@offline"):
                client.message_callback_add(f"{topic}/#", self._on_other)
                client.subscribe(f"{topic}/{NAME}/#", 1)
            say(event="connected")

        def _on_other(self, client, userdata, message):
            data = loads(message.payload) if message.payload else None
            if message.topic.startswith("@online/"):
                self._endpoint_data[NAME]["structure"] = data
                for node, content in data["nodes"].items():
                    for label, item in content["objects"].items():
                        for attribute in item["attributes"]:
                            where = f"{NAME}/{node}/{label}/{attribute}"
                            self.subscribe_to_attribute(self.str_to_attribute(where))
            say(event="message", topic=message.topic, data=data)

    connector = Connector("https://127.0.0.1", name, "")
    connector.add_attribute_listener(Listener())
    connector._mqtt_connect_thread.daemon = True
    connector._mqtt_connect_thread.start()
    for line in sys.stdin:
        command = json.loads(line)
        write = cbor.dumps if command["format"] == "cbor" else json.dumps
        connector._mqtt_client.publish(command["topic"], write(command["data"]), 1)


def endpoint(port, folder, name):
    """Be an endpoint of cloud.iO, with one measure and one parameter."""
    from cloudio.endpoint import CloudioEndpoint  # noqa: PLC0415
    from cloudio.endpoint.properties_endpoint_configuration import (  # noqa: PLC0415
        PropertiesEndpointConfiguration,
    )
    from cloudio.endpoint.runtime import CloudioRuntimeNode, CloudioRuntimeObject  # noqa: PLC0415

    prefix = "ch.hevs.cloudio.endpoint."
    configuration = PropertiesEndpointConfiguration(
        {
            f"{prefix}hostUri": "127.0.0.1",
            f"{prefix}persistence": "none",
            f"{prefix}ssl.authorityCert": str(folder / "authority.pem"),
            f"{prefix}ssl.clientCert": str(folder / f"{name}.pem"),
            f"{prefix}ssl.clientKey": str(folder / f"{name}.key"),
        }
    )
    # It knows one port only.
    connect = mqtt.Client.connect
    mqtt.Client.connect = lambda self, host, *args, **more: connect(self, host, port)
    peer = CloudioEndpoint(name, configuration)
    node, item = CloudioRuntimeNode(), CloudioRuntimeObject()
    measure = item.add_attribute("datapoint", float, "measure", 21.5)
    item.add_attribute("parameter", bool, "parameter", True)
    node.add_object("temperature", item)
    peer.add_node("ambientSensor-1", node)
    say(event="started")
    while not peer.is_online():
        time.sleep(0.05)
    peer.announce()
    value = 21.5
    while True:
        value += 0.5
        measure.set_value(value)
        time.sleep(0.2)


if __name__ == "__main__":
    {"application": application, "endpoint": endpoint}[sys.argv[1]](
        int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    )
