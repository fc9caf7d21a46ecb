"""The fields of a configuration form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from types import UnionType
from typing import ClassVar, Final

plain_text: Final = "plain_text"
password: Final = "password"  # noqa: S105 - the name of a kind of field


@dataclass
class FormField:
    """What every field has: its key in the configuration, and what the operator reads.

    Errors: TypeError for a part of it that is no text, or a `required` that is neither true nor false.
    """

    # What 2.13.1 takes: an absent text or flag is None too, and a flag may be 0 or 1.
    _KINDS: ClassVar[dict[str, type | UnionType]] = {
        "name": str,
        "label": str,
        "description": str | None,
        "placeholder": str | None,
        "required": int | None,
    }

    name: str
    label: str

    def __post_init__(self) -> None:
        for part, value in vars(self).items():
            kind = self._KINDS.get(part)
            if kind and not isinstance(value, kind):
                wanted = "True or False" if part == "required" else "a string"
                raise TypeError(f"{type(self).__name__} {self.name}: {part} must be {wanted}, not {value!r}")


@dataclass
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
        super().__post_init__()
        if self.field_type not in (plain_text, password):
            raise ValueError(
                f"TextField {self.name}: field_type must be plain_text or password, not {self.field_type!r}"
            )


@dataclass
class DropdownFieldParam:
    """One choice of a dropdown."""

    value: object
    label: str | None = None
    description: str | None = None


@dataclass
class DropdownField(FormField):
    """A choice among `fields`."""

    _: KW_ONLY
    fields: Sequence[DropdownFieldParam]
    description: str | None = None
    required: bool = False
    placeholder: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.fields:
            raise ValueError(f"DropdownField '{self.name}' must define at least one option in 'fields'.")
        for choice in self.fields:
            if not isinstance(choice, DropdownFieldParam):
                raise TypeError(f"DropdownField {self.name}: fields must hold DropdownFieldParam(…), not {choice!r}")


@dataclass
class ToggleField(FormField):
    """On or off."""

    _: KW_ONLY
    description: str | None = None
    required: bool = False
