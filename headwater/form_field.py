"""The fields of a configuration form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Final

plain_text: Final = "plain_text"
password: Final = "password"  # noqa: S105 - the name of a kind of field


@dataclass(frozen=True)
class FormField:
    """What every field has: its key in the configuration, and what the operator reads."""

    name: str
    label: str


@dataclass(frozen=True)
class TextField(FormField):
    """A line of text; `field_type` is `plain_text`, or `password` for a value that is not shown."""

    # Connectors write `form_field.TextField.password` (rule A-101).
    plain_text: ClassVar[str] = plain_text
    password: ClassVar[str] = password

    field_type: str = plain_text
    _: KW_ONLY
    description: str | None = None
    required: bool = False
    placeholder: str | None = None

    def __post_init__(self) -> None:
        if self.field_type not in (plain_text, password):
            raise ValueError(
                f"TextField {self.name}: field_type must be plain_text or password, not {self.field_type!r}"
            )


@dataclass(frozen=True)
class DropdownFieldParam:
    """One choice of a dropdown."""

    value: object
    label: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class DropdownField(FormField):
    """A choice among `fields`."""

    _: KW_ONLY
    fields: Sequence[DropdownFieldParam]
    description: str | None = None
    required: bool = False
    placeholder: str | None = None

    def __post_init__(self) -> None:
        if not self.fields:
            raise ValueError(f"DropdownField {self.name}: fields must not be empty")


@dataclass(frozen=True)
class ToggleField(FormField):
    """On or off."""

    _: KW_ONLY
    description: str | None = None
    required: bool = False
