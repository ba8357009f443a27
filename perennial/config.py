"""Settings: environment variables with the prefix PERENNIAL_, or the same names in a file `.env`."""

from collections.abc import Mapping
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from perennial.roles import NamedKey, parse_named_keys
from perennial.running import running_stack
from perennial.temporal.key_ring import parse_keys

PREFIX = "PERENNIAL_"
DEVELOPMENT_API_KEY = "pk_dev_perennial"
DEVELOPMENT_WEBHOOK_SECRET = "whsec_ZGV2ZWxvcG1lbnQtb25seS1wZXJlbm5pYWwta2V5"  # noqa: S105 (refused in production)
DEVELOPMENT_LINK_SECRET = "links-of-development-only"  # noqa: S105 (the same)
DEVELOPMENT_DASHBOARD_SECRET = "dashboard-of-development-only"  # noqa: S105 (the same)
DRIVER = "postgresql+psycopg2"
GATEWAYS = "perennial.gateways"  # the entry points by which installed packages add theirs
BUILT_IN_GATEWAYS = ("simulator", "simulator_2", "stripe")
TAX_CALCULATORS = "perennial.tax"  # the same for these
STRIPE_API_BASE = "https://api.stripe.com"
_SEPARATORS = frozenset(".:")  # with them Temporal joins the name of a deployment and a build id


class SettingsError(Exception):
    """Settings are missing or wrong; the text has one line for each, and each line names its setting."""


class Environment(StrEnum):
    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """What a process is told from outside. `load_settings()` makes one and words its errors for people."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    environment: Environment = Environment.DEVELOPMENT

    # None: an embedded one (`perennial dev`), or the one that a running `perennial dev` of this data folder started.
    database_url: str | None = None
    database_pool_size: int = Field(default=10, ge=1, le=200)
    temporal_address: str | None = None
    temporal_namespace: str = Field(default="default", min_length=1)
    task_queue: str = Field(default="perennial", min_length=1)
    # Where people find the Temporal UI, for links of the dashboard; None: it has none.
    temporal_ui_url: str | None = None
    # Which version of the worker this is: both, or none (all workers are the same then). docs/deploying.md.
    deployment_name: str | None = None
    build_id: str | None = None
    # Off: a sleeping subscription is always a cache miss, and its replay costs about twice as much in the sandbox.
    # Tests switch it on, where it catches what is not deterministic.
    sandboxed_workflows: bool = False

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8080, ge=0, le=65535)
    api_keys: Annotated[tuple[str, ...], NoDecode] = (DEVELOPMENT_API_KEY,)
    # `anna=key,ben=key`: keys of people with less than an admin's rights. docs/api.md.
    support_keys: Annotated[tuple[NamedKey, ...], NoDecode] = ()
    finance_keys: Annotated[tuple[NamedKey, ...], NoDecode] = ()
    # Signs the sessions of the dashboard: whoever has it can act as anybody there. docs/dashboard.md.
    dashboard_secret: SecretStr = Field(default=SecretStr(DEVELOPMENT_DASHBOARD_SECRET), min_length=16)
    webhook_secret: str = Field(default=DEVELOPMENT_WEBHOOK_SECRET, min_length=16)
    # Where customers reach the API's pages; None: at its own address. docs/checkout.md.
    public_url: str | None = None
    # Signs the links that customers get: whoever has it can pay anybody's invoices, and see them.
    link_secret: SecretStr = Field(default=SecretStr(DEVELOPMENT_LINK_SECRET), min_length=16)

    # The primary gateway; `gateways` names others beside it. docs/payments.md.
    gateway: str = "simulator"
    gateways: Annotated[tuple[str, ...], NoDecode] = ()
    # For the gateway `stripe`: docs/payments.md. The base differs only where something stands in for Stripe.
    stripe_secret_key: SecretStr | None = None
    stripe_webhook_secret: SecretStr | None = None
    # No secret: the checkout page tells it to every browser.
    stripe_publishable_key: str | None = None
    stripe_api_base: str = STRIPE_API_BASE
    tax_calculator: str = "table"
    data_dir: Path = Path(".perennial")
    # The first-of-the-month herd: a renewal wakes at its boundary plus a stable slot within so many seconds.
    renewal_window_seconds: int = Field(default=0, ge=0, le=86_400)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

    # What the local mailbox stands for. A dunning policy may name these channels and no others. docs/dunning.md.
    mailbox_channels: Annotated[tuple[str, ...], NoDecode] = ("email",)

    # Metrics, `/healthz` and `/readyz` of this process; None: nothing listens. docs/observability.md.
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    sentry_dsn: SecretStr | None = None
    slack_webhook_url: SecretStr | None = None
    otlp_endpoint: str | None = None
    # Where `perennial backup` writes; the relay tells how old the newest one is.
    backup_dir: Path | None = None
    # `id:base64key,...`: what Temporal stores is encrypted with the first, every one decrypts. None: it is plain.
    payload_keys: SecretStr | None = None
    # `perennial codec-server` shows payloads to whoever has this token, to pages of this origin alone.
    codec_token: SecretStr | None = Field(default=None, min_length=16)
    codec_origin: str | None = None

    # Not the keys of payloads: where they are forgotten, nothing may go out unencrypted.
    @field_validator(
        "deployment_name",
        "build_id",
        "temporal_ui_url",
        "public_url",
        "codec_origin",
        "sentry_dsn",
        "slack_webhook_url",
        "otlp_endpoint",
        "stripe_secret_key",
        "stripe_webhook_secret",
        "stripe_publishable_key",
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, written: object) -> object:
        return written or None

    @field_validator("deployment_name")
    @classmethod
    def _has_no_separator(cls, name: str | None) -> str | None:
        if name is not None and set(name) & _SEPARATORS:
            raise PydanticCustomError("deployment", "must hold neither a dot nor a colon")
        return name

    @field_validator("database_url")
    @classmethod
    def _name_the_driver(cls, url: str | None) -> str | None:
        return None if url is None else normalise_database_url(url)

    @field_validator("temporal_address")
    @classmethod
    def _host_and_port(cls, address: str | None) -> str | None:
        if address is None:
            return None
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise PydanticCustomError("address", "must be host:port, for example localhost:7233")
        return address

    @field_validator("gateway")
    @classmethod
    def _is_a_gateway(cls, name: str) -> str:
        return _installed(name, BUILT_IN_GATEWAYS, GATEWAYS)

    @field_validator("gateways")
    @classmethod
    def _are_gateways(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_installed(name, BUILT_IN_GATEWAYS, GATEWAYS) for name in names)

    @field_validator("tax_calculator")
    @classmethod
    def _is_a_tax_calculator(cls, name: str) -> str:
        return _installed(name, ("table",), TAX_CALCULATORS)

    @field_validator("payload_keys")
    @classmethod
    def _are_keys(cls, written: SecretStr | None) -> SecretStr | None:
        if written is not None:
            try:
                parse_keys(written.get_secret_value())
            except ValueError as error:
                raise PydanticCustomError("keys", "{reason}", {"reason": str(error)}) from None
        return written

    @field_validator("support_keys", "finance_keys", mode="before")
    @classmethod
    def _are_named_keys(cls, written: object) -> object:
        try:
            return parse_named_keys(written) if isinstance(written, str) else written
        except ValueError as error:
            raise PydanticCustomError("keys", "{reason}", {"reason": str(error)}) from None

    @field_validator(
        "sentry_dsn", "slack_webhook_url", "otlp_endpoint", "codec_origin", "public_url", "temporal_ui_url"
    )
    @classmethod
    def _is_an_address(cls, address: SecretStr | str | None) -> SecretStr | str | None:
        written = address.get_secret_value() if isinstance(address, SecretStr) else address
        if written is not None and not (urlsplit(written).scheme in {"http", "https"} and urlsplit(written).hostname):
            raise PydanticCustomError("address", "must begin with http:// or https://")
        return address

    @field_validator("api_keys", "gateways", "mailbox_channels", mode="before")
    @classmethod
    def _split_keys(cls, keys: object) -> object:
        return tuple(key.strip() for key in keys.split(",") if key.strip()) if isinstance(keys, str) else keys

    @field_validator("log_level", "environment", mode="before")
    @classmethod
    def _lower_case(cls, word: object) -> object:
        return word.lower() if isinstance(word, str) else word

    @model_validator(mode="after")
    def _production_names_everything(self) -> Self:
        if self.environment is not Environment.PRODUCTION:
            return self
        missing = "is required in production"
        development = "must not be the development value in production"
        wrong = {
            "database_url": missing if self.database_url is None else None,
            "temporal_address": missing if self.temporal_address is None else None,
            "api_keys": development if DEVELOPMENT_API_KEY in self.api_keys else None if self.api_keys else missing,
            "webhook_secret": development if self.webhook_secret == DEVELOPMENT_WEBHOOK_SECRET else None,
            "link_secret": development if self.link_secret.get_secret_value() == DEVELOPMENT_LINK_SECRET else None,
            "dashboard_secret": development
            if self.dashboard_secret.get_secret_value() == DEVELOPMENT_DASHBOARD_SECRET
            else None,
        }
        _refuse(wrong)
        return self

    @model_validator(mode="after")
    def _a_key_has_one_role(self) -> Self:
        known = set(self.api_keys)
        for setting in ("support_keys", "finance_keys"):
            keys = {each.key for each in getattr(self, setting)}
            _refuse({setting: "has a key that stands elsewhere too" if keys & known else None})
            known |= keys
        return self

    @model_validator(mode="after")
    def _a_version_has_two_parts(self) -> Self:
        if (self.deployment_name is None) != (self.build_id is None):
            missing = "build_id" if self.build_id is None else "deployment_name"
            _refuse({missing: "is required beside the other part of a worker's version"})
        return self

    @model_validator(mode="after")
    def _stripe_has_its_keys(self) -> Self:
        """A test key in production would bill nobody; a live one elsewhere would charge real cards for test clocks."""
        if "stripe" not in self.enabled_gateways:
            return self
        required = "is required for the gateway stripe"
        wrong_key = {
            (True, False): "must be a live key (sk_live_ or rk_live_) in production",
            (False, True): "must not be a live key outside production",
        }
        key = self.stripe_secret_key.get_secret_value() if self.stripe_secret_key else ""
        reason = wrong_key.get((self.is_production, key.startswith(("sk_live_", "rk_live_"))))
        is_plain = self.is_production and not self.stripe_api_base.startswith("https://")
        wrong = {
            "stripe_secret_key": reason if key else required,
            "stripe_webhook_secret": None if self.stripe_webhook_secret else required,
            "stripe_api_base": "must begin with https:// in production" if is_plain else None,
        }
        _refuse(wrong)
        return self

    @property
    def enabled_gateways(self) -> tuple[str, ...]:
        """The primary one first."""
        return tuple(dict.fromkeys((self.gateway, *self.gateways)))

    @property
    def is_production(self) -> bool:
        return self.environment is Environment.PRODUCTION

    def require_database_url(self) -> str:
        """The database's URL, or SettingsError when none is set and no `perennial dev` runs in the data folder."""
        return self.database_url or self._missing("database_url")

    def require_temporal_address(self) -> str:
        """host:port of Temporal, or SettingsError as above."""
        return self.temporal_address or self._missing("temporal_address")

    def _missing(self, name: str) -> str:
        where = self.data_dir.absolute()
        raise SettingsError(f"{PREFIX}{name.upper()}: is not set, and no `perennial dev` is running in {where}")


def load_settings(**overrides: object) -> Settings:
    """The settings of this process; `overrides` (from a command line) come before the environment.

    Outside production, addresses that are not set are those of the `perennial dev` running in the data folder.
    Raises SettingsError: a line for each wrong setting, `PERENNIAL_API_PORT: ...`.
    """
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError("\n".join(sorted(_lines(error)))) from None
    if settings.is_production:
        return settings
    running = running_stack(settings.data_dir)
    unset = {name: value for name, value in running.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=unset)


def normalise_database_url(url: str) -> str:
    """`postgres://...` and `postgresql://...` with the driver that Perennial installs, psycopg2."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise PydanticCustomError("database_url", "is not a database URL") from None
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername=DRIVER)
    if parsed.drivername != DRIVER:
        raise PydanticCustomError("database_url", "must begin with postgresql:// (PostgreSQL is the only database)")
    return _text(parsed)


def _refuse(wrong: Mapping[str, str | None]) -> None:
    """Raise with the settings that have a reason."""
    details = [
        InitErrorDetails(type=PydanticCustomError("refused", reason), loc=(name,), input=None)
        for name, reason in wrong.items()
        if reason is not None
    ]
    if details:
        raise ValidationError.from_exception_data("Settings", details)


def _installed(name: str, built_in: tuple[str, ...], group: str) -> str:
    known = [*built_in, *sorted(point.name for point in entry_points(group=group))]
    if name not in known:
        raise PydanticCustomError("not_installed", "must be one of: {known}", {"known": ", ".join(known)})
    return name


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _lines(error: ValidationError) -> list[str]:
    lines = []
    for detail in error.errors(include_url=False, include_input=False):
        name = PREFIX + "_".join(str(part) for part in detail["loc"][:1]).upper()
        reason = detail["msg"].removeprefix("Value error, ")
        lines.append(f"{name}: {reason[:1].lower()}{reason[1:]}".replace("\n", " "))
    return lines
