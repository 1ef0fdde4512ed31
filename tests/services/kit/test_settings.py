"""Settings: one table, unknown names refused, values never echoed."""

from pathlib import Path

import pytest

from services.kit.errors import ConfigError
from services.kit.settings import Settings, is_loopback, load


def test_defaults_are_embedded_and_open_to_this_machine_only() -> None:
    settings = load({})
    assert settings.bus_url == "sqlite:///sightline-data/bus.sqlite"
    assert settings.store_url == "sqlite:///sightline-data/store.sqlite"
    assert settings.admitted_tenant == "default"
    assert load({"SIGHTLINE_HOST": "0.0.0.0"}).admitted_tenant is None


@pytest.mark.parametrize(
    ("host", "tenant", "admitted"),
    [("127.0.0.1", "", None), ("0.0.0.0", "plant", "plant"), ("127.0.0.1", "plant", "plant"), ("::1", None, "default")],
)
def test_who_may_call_without_a_token(host: str, tenant: str | None, admitted: str | None) -> None:
    environment = {"SIGHTLINE_HOST": host}
    if tenant is not None:
        environment["SIGHTLINE_ANONYMOUS_TENANT"] = tenant
    assert load(environment).admitted_tenant == admitted


def test_behind_a_proxy_nobody_calls_without_a_token_unless_it_is_said() -> None:
    environment = {"SIGHTLINE_PUBLIC_URL": "https://sight.example"}
    assert load(environment).admitted_tenant is None
    assert load(environment | {"SIGHTLINE_ANONYMOUS_TENANT": "plant"}).admitted_tenant == "plant"


@pytest.mark.parametrize("name", ["SIGHTLINE_PROT", "SIGHTLINE_", "SIGHTLINE_PORTS", "SIGHTLINE_PORT_FILES"])
def test_an_unknown_name_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load({name: "1"})


def test_other_programs_variables_and_the_clients_are_left_alone() -> None:
    load({"PATH": "x", "SIGHTLINE_URL": "http://x", "SIGHTLINE_TOKEN": "api_x", "SIGHTLINE_TEST_AMQP_URL": "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "a port"),
        ("BUS", "ftp://x"),
        ("STORE", "memory://"),
        ("LOG_LEVEL", "LOUD"),
        ("LANES", "a,B C"),
        ("LANES", " , "),
        ("BATCH_SIZE", "0"),
        ("BREAKER_FAILURES", "0"),
        ("CRASH_AT", "somewhere"),
        ("RETENTION_DAYS", "nan"),
        ("PUBLIC_URL", "not an address"),
    ],
)
def test_a_bad_value_names_its_setting_and_is_not_echoed(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({f"SIGHTLINE_{name}": value})
    assert name.lower() in str(caught.value).lower()
    assert value not in str(caught.value) or len(value.strip()) < 6


def test_a_secret_comes_from_a_file_and_never_shows(tmp_path: Path) -> None:
    file = tmp_path / "pepper"
    file.write_text("hot stuff\n")
    settings = load({"SIGHTLINE_TOKEN_PEPPER_FILE": str(file)})
    assert settings.token_pepper is not None
    assert settings.token_pepper.get_secret_value() == "hot stuff"
    assert "hot stuff" not in repr(settings)
    with pytest.raises(ConfigError, match="SIGHTLINE_TOKEN_PEPPER_FILE"):
        load({"SIGHTLINE_TOKEN_PEPPER_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize("rule", ["door", "binary:door", "guess:door=m", "binary:=m", "binary:door="])
def test_a_rule_for_default_models_that_cannot_be_is_refused(rule: str) -> None:
    assert load({"SIGHTLINE_DEFAULT_MODELS": "*:a b*=m, text:x=y"}).default_models == ("*:a b*=m", "text:x=y")
    with pytest.raises(ConfigError, match="SIGHTLINE_DEFAULT_MODELS"):
        load({"SIGHTLINE_DEFAULT_MODELS": f"*:a=m,{rule}"})


def test_given_values_stand_above_the_environment_and_lanes_are_a_list() -> None:
    settings = load({"SIGHTLINE_PORT": "1", "SIGHTLINE_LANES": "default, gpu"}, port=2, bus=None)
    assert settings.port == 2
    assert settings.lanes == ("default", "gpu")


def test_every_setting_has_a_description() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("host", "expected"), [("localhost", True), ("127.0.0.9", True), ("::1", True), ("0.0.0.0", False), ("a.b", False)]
)
def test_loopback(host: str, expected: bool) -> None:  # noqa: FBT001 - a table of cases
    assert is_loopback(host) is expected
