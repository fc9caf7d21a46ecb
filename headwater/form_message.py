"""A configuration form as the protobuf message `ConfigurationFormResponse` of the public common.proto.

Fifteen lines of encoding instead of a dependency: the message has texts, flags and other messages, nothing else.

Source: fivetran_partner_sdk, common.proto (v2); the numbers are those of its fields.
"""

from __future__ import annotations

from headwater.configuration_form import ConfigurationForm
from headwater.form_field import DropdownField, FormField, TextField, password

_VARINT, _BYTES = 0, 2
_TEXT_FIELD = {False: 0, True: 1}  # PlainText, Password


def form_message(form: ConfigurationForm) -> bytes:
    """Encode a form: its fields in their order, then its tests.

    >>> form_message(ConfigurationForm().add_field(TextField("key", "Key"))).hex(" ")
    '1a 0e 0a 03 6b 65 79 12 03 4b 65 79 18 00 28 00'
    """
    fields = b"".join(_message(3, _field(field)) for field in form.fields)
    tests = (_text(1, name) + _text(2, test.label) for name, test in form.tests.items())
    return fields + b"".join(_message(4, test) for test in tests)


def _field(field: FormField) -> bytes:
    required = _flag(3, bool(getattr(field, "required", False)))
    description = _optional_text(4, getattr(field, "description", None))
    placeholder = _optional_text(9, getattr(field, "placeholder", None))
    kind, late_kind = b"", b""
    if isinstance(field, TextField):
        kind = _number(5, _TEXT_FIELD[field.field_type == password])
    elif isinstance(field, DropdownField):
        late_kind = _message(12, _choices(field))
    else:
        kind = _message(7, b"")  # a toggle has nothing to say
    return _text(1, field.name) + _text(2, field.label) + required + description + kind + placeholder + late_kind


def _choices(field: DropdownField) -> bytes:
    return b"".join(
        _message(
            1,
            _text(1, str(each.value))
            + _text(2, str(each.value if each.label is None else each.label))
            + _text(3, each.description or ""),
        )
        for each in field.fields
    )


def _text(number: int, value: str) -> bytes:
    """Encode a text; an empty one is left out, as proto3 does."""
    return _message(number, value.encode()) if value else b""


def _optional_text(number: int, value: str | None) -> bytes:
    return b"" if value is None else _message(number, value.encode())


def _flag(number: int, value: bool) -> bytes:
    return _number(number, int(value))


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Encode a whole number, seven bits a byte, the lowest first.

    >>> _varint(300).hex(" ")
    'ac 02'
    """
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
