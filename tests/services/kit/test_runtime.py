"""The runtime: sockets, ports by address, one clear line for what cannot work."""

import socket
from pathlib import Path

import pytest

from services.kit.bus.memory import MemoryBus
from services.kit.bus.sqlite import SqliteBus
from services.kit.errors import ConfigError
from services.kit.runtime import listen, open_bus, origin_of, running
from services.kit.settings import load


def test_a_listener_is_named_as_tcp_so_that_small_answers_go_out_at_once() -> None:
    """Asyncio switches Nagle's delay off only on sockets whose protocol says TCP."""
    with listen(load({}, port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        assert origin_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_port_in_use_is_said_in_one_line() -> None:
    with listen(load({}, port=0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(
            ConfigError, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use; .*--port"
        ):
            listen(load({}, port=port))


def test_the_address_chooses_the_bus(tmp_path: Path) -> None:
    assert isinstance(open_bus(load({}, bus="memory://")), MemoryBus)
    assert isinstance(open_bus(load({}, data=tmp_path)), SqliteBus)
    with pytest.raises(ConfigError, match="sqlite:///"):
        open_bus(load({}, bus="sqlite:bus"))


async def test_a_data_folder_serves_one_process_at_a_time(tmp_path: Path) -> None:
    settings = load({}, data=tmp_path)
    async with running(settings, []):
        with pytest.raises(ConfigError, match="in use by another Sightline process"):
            async with running(settings, []):
                raise AssertionError
    async with running(settings, []):
        pass
