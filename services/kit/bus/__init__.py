"""The message bus: port, codec, consume loop, adapters."""
