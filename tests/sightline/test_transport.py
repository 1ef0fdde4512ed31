"""Where the client connects, and as whom."""

import socket
import threading
from collections.abc import Iterator

import pytest

from sightline import AsyncClient, Client, NotSightline, Unavailable, UnknownOutcome
from sightline.transport import address_of

TOKEN = "api_" + "t0kenSecret" * 4


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8470", "ftp://host", "http://", "http://[", "sightline", "file:///etc/passwd", "http://a b"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Client(url)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="SIGHTLINE_TOKEN") as refused:
        Client("http://user:hunter2@host")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("token", ["api_ x", "api_\nInjected: yes", "api_ü"])
def test_what_is_no_token_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(ValueError, match="token") as refused:
        Client(token=token)
    assert token not in str(refused.value)


def test_url_and_token_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_URL", "https://sightline.example/prefix/")
    monkeypatch.setenv("SIGHTLINE_TOKEN", TOKEN)
    address = address_of(None, None)
    assert (address.url, address.token) == ("https://sightline.example/prefix", TOKEN)
    assert TOKEN not in repr(address)


def test_the_local_platform_is_never_sought_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}", timeout_s=0.1) as client, pytest.raises(Unavailable) as away:
        client.get_image_query("iq_x")
    assert "proxy" not in str(away.value)


@pytest.fixture
def rude_server() -> Iterator[str]:
    """A server that reads a request and hangs up, or, asked for HTML, answers as a web server would."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                request = connection.recv(65536)
                if b"GET /" in request:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_submit_that_was_cut_off_is_unknown(rude_server: str) -> None:
    with Client(rude_server, TOKEN, timeout_s=0.5) as client, pytest.raises(UnknownOutcome) as unknown:
        client.ask_async("door", b"image", idempotency_key="mine")
    assert unknown.value.idempotency_key == "mine"
    assert TOKEN not in str(unknown.value)


async def test_a_submit_that_was_cut_off_is_unknown_to_the_async_client_too(rude_server: str) -> None:
    async with AsyncClient(rude_server, TOKEN, timeout_s=0.5) as client:
        with pytest.raises(UnknownOutcome) as unknown:
            await client.ask_async("door", b"image")
    assert unknown.value.idempotency_key


def test_another_web_server_is_recognised(rude_server: str) -> None:
    with Client(rude_server) as client, pytest.raises(NotSightline):
        client.get_detector("door")
