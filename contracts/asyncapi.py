"""The AsyncAPI 3 document, made from the topics table."""

from typing import Any

from contracts.events import PREFIX
from contracts.topics import QUEUES, TOPICS, Topic

_ATTRIBUTES = {
    "specversion": "CloudEvents version, `1.0`",
    "id": "Identity of the fact; the same fact published again has the same id",
    "type": "Message type",
    "source": "Service that published it",
    "time": "When it happened, RFC 3339",
    "dataschema": "`urn:sightline:contract:<type>:v<version>`",
    "tenant": "Whose it is",
    "lane": "Lane, `default` unless a detector has workers of its own",
}
_OPTIONAL = {
    "subject": "ID of the one query it is about",
    "expires": "Work that begins later is shed, RFC 3339",
    "traceparent": "W3C trace context at the start",
}


def document(schemas: dict[str, dict[str, Any]], examples: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the document; `schemas` and `examples` are keyed by topic name."""
    topics = list(TOPICS.values())
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Sightline messages",
            "version": version,
            "description": "Generated from contracts/topics.py. Messages are CloudEvents 1.0 in binary mode.",
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": _operations(topics),
        "components": {
            "messages": {topic.name: _message(topic, examples[topic.name]) for topic in topics},
            "schemas": {topic.name: _embedded(topic.name, schemas[topic.name]) for topic in topics},
        },
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": f"{topic.name}.{{lane}}",
        "parameters": {"lane": {"default": "default", "description": "Workers of its own for a detector or tenant"}},
        "messages": {"message": {"$ref": f"#/components/messages/{topic.name}"}},
        "description": f"Exchange `{topic.exchange}`; queues: "
        + ", ".join(f"`{queue.queue_name('{lane}')}` ({queue.summary})" for queue in topic.queues),
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": topic.exchange, "type": "topic", "durable": True},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _operations(topics: list[Topic]) -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for topic in topics:
        channel = {"$ref": f"#/channels/{topic.name}"}
        messages = [{"$ref": f"#/channels/{topic.name}/messages/message"}]
        for producer in topic.producers:
            operations[f"{producer}.publish.{topic.name}"] = {
                "action": "send",
                "channel": channel,
                "messages": messages,
            }
        for queue in topic.queues:
            retry = QUEUES[queue.name].retry
            operations[f"{queue.name}.consume.{topic.name}"] = {
                "action": "receive",
                "channel": channel,
                "messages": messages,
                "description": queue.summary
                + ("; every process has its own copy, which may be lost" if queue.broadcast else "")
                + ("" if queue.broadcast else f"; {retry.attempts} attempts, then a dead letter"),
            }
    return operations


def _message(topic: Topic, example: dict[str, Any]) -> dict[str, Any]:
    attributes = {**_ATTRIBUTES, **_OPTIONAL}
    return {
        "name": topic.name,
        "summary": (topic.model.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/msgpack" if topic.inline_bytes else "application/json",
        "headers": {
            "type": "object",
            "properties": {PREFIX + name: {"type": "string", "description": text} for name, text in attributes.items()},
            "required": [PREFIX + name for name in _ATTRIBUTES if name != "lane"],
        },
        "payload": {"$ref": f"#/components/schemas/{topic.name}"},
        "examples": [{"payload": example}],
    }


def _embedded(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with its references made to point into the AsyncAPI document."""

    def move(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: _moved_reference(name, item) if key == "$ref" else move(item) for key, item in value.items()}
        return [move(item) for item in value] if isinstance(value, list) else value

    moved: dict[str, Any] = move({key: value for key, value in schema.items() if key != "$schema"})
    return moved


def _moved_reference(name: str, reference: str) -> str:
    return reference.replace("#/$defs/", f"#/components/schemas/{name}/$defs/")
