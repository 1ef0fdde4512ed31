"""The platform under the services: ports, adapters, codec, runtime. It knows no service."""
