"""The two clients are one client."""

import inspect

from sightline import AsyncClient, Client

RENAMED = {"close": "aclose"}


def _methods(cls: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(member)
        for name, member in vars(cls).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def test_both_clients_have_the_same_methods_with_the_same_arguments() -> None:
    blocking, awaited = _methods(Client), _methods(AsyncClient)
    assert {RENAMED.get(name, name) for name in blocking} == set(awaited)
    for name, signature in blocking.items():
        assert signature.parameters == awaited[RENAMED.get(name, name)].parameters, name


def test_every_public_method_says_what_it_does() -> None:
    for cls in (Client, AsyncClient):
        assert [
            name
            for name, _ in inspect.getmembers(cls, inspect.isfunction)
            if name[0] != "_" and not getattr(cls, name).__doc__
        ] == []
