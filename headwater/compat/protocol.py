"""The messages and calls of Fivetran's public connector protocol, made from the numbers of their fields.

Made when this module is imported, with the protobuf library that is installed: generated code would be tied to one
version of it. The messages live in a pool of their own, so that a process can also hold the official package's.

Source: fivetran_partner_sdk, common.proto and connector_sdk.proto (package fivetran_sdk.v2); fields 7 and 8 of
UpdateResponse and field 5 of a record as in fivetran-connector-sdk 2.13.1.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

PACKAGE = "fivetran_sdk.v2"
SERVICE = f"{PACKAGE}.SourceConnector"

# Each field: its number, its type, its name. `TYPE?` is optional, `TYPE*` repeated, `A:B` a map; `|GROUP` at the end
# makes it one of the oneof GROUP. A type that is not protobuf's own is a message or an enumeration of this module.
_MESSAGES = {
    "ConfigurationFormRequest": "",
    "ConfigurationFormResponse": """
        1 bool schema_selection_supported
        2 bool table_selection_supported
        3 FormField* fields
        4 ConfigurationTest* tests""",
    "FormField": """
        1 string name
        2 string label
        3 bool? required
        4 string? description
        5 TextField text_field |type
        6 DropdownField dropdown_field |type
        7 ToggleField toggle_field |type
        8 string? default_value
        9 string? placeholder
        10 ConditionalFields conditional_fields |type
        11 UploadField upload_field |type
        12 DescriptiveDropDownFields descriptive_dropdown_fields |type""",
    "DropdownField": "1 string* dropdown_field",
    "ToggleField": "",
    "ConditionalFields": """
        1 VisibilityCondition condition
        2 FormField* fields""",
    "VisibilityCondition": """
        1 string condition_field
        2 bool bool_value |visible_when
        3 string string_value |visible_when
        4 bool empty_value |visible_when""",
    "UploadField": """
        1 string* allowed_file_type
        2 int32 max_file_size_bytes""",
    "DescriptiveDropDownFields": "1 DescriptiveDropDownField* descriptive_dropdown_field",
    "DescriptiveDropDownField": """
        1 string value
        2 string label
        3 string description""",
    "ConfigurationTest": """
        1 string name
        2 string label""",
    "TestRequest": """
        1 string name
        2 string:string configuration""",
    "TestResponse": """
        1 bool success |response
        2 string failure |response""",
    "SchemaRequest": "1 string:string configuration",
    "SchemaResponse": """
        1 bool schema_response_not_supported |response
        2 SchemaList with_schema |response
        3 TableList without_schema |response
        4 bool? selection_not_supported""",
    "SchemaList": "1 Schema* schemas",
    "Schema": """
        1 string name
        2 Table* tables""",
    "TableList": "1 Table* tables",
    "Table": """
        1 string name
        2 Column* columns""",
    "Column": """
        1 string name
        2 DataType type
        3 bool primary_key
        4 DataTypeParams? params""",
    "DataTypeParams": """
        1 DecimalParams decimal |params
        2 int32 string_byte_length |params""",
    "DecimalParams": """
        1 uint32 precision
        2 uint32 scale""",
    "UpdateRequest": """
        1 string:string configuration
        2 Selection? selection
        3 string? state_json""",
    "Selection": """
        1 TablesWithNoSchema without_schema |selection
        2 TablesWithSchema with_schema |selection""",
    "TablesWithNoSchema": """
        1 TableSelection* tables
        2 bool include_new_tables""",
    "TablesWithSchema": """
        1 SchemaSelection* schemas
        2 bool include_new_schemas""",
    "SchemaSelection": """
        1 bool included
        2 string schema_name
        3 TableSelection* tables
        4 bool include_new_tables""",
    "TableSelection": """
        1 bool included
        2 string table_name
        3 string:bool columns
        4 bool include_new_columns""",
    "UpdateResponse": """
        1 Record record |operation
        2 SchemaChange schema_change |operation
        3 Checkpoint checkpoint |operation
        4 Warning warning |operation
        5 Task task |operation
        6 Records records |operation
        7 UnstructuredRecord unstructured_record |operation
        8 Truncate truncate |operation""",
    "SchemaChange": """
        1 SchemaList with_schema |change
        2 TableList without_schema |change""",
    "Records": "1 Record* records",
    "Record": """
        1 string? schema_name
        2 string table_name
        3 RecordType type
        4 string:ValueType data
        5 string:bytes row_data""",
    "ValueType": """
        1 bool null |inner
        2 bool bool |inner
        3 int32 short |inner
        4 int32 int |inner
        5 int64 long |inner
        6 float float |inner
        7 double double |inner
        8 Timestamp naive_date |inner
        9 Timestamp naive_datetime |inner
        10 Timestamp utc_datetime |inner
        11 string decimal |inner
        12 bytes binary |inner
        13 string string |inner
        14 string json |inner
        15 string xml |inner
        16 Timestamp naive_time |inner""",
    "UnstructuredRecord": """
        1 string? schema_name
        2 string storage_name
        3 string file_path
        4 bytes chunk_data
        5 int64? expected_bytes
        6 bool? is_last""",
    "Truncate": """
        1 string? schema_name
        2 string table_name
        3 bool deferred""",
    "Checkpoint": "1 string state_json",
    "Warning": "1 string message",
    "Task": "1 string message",
}
# The values of each enumeration, numbered from 0.
_ENUMERATIONS = {
    "TextField": "PlainText Password Hidden",
    "DataType": "UNSPECIFIED BOOLEAN SHORT INT LONG DECIMAL FLOAT DOUBLE NAIVE_DATE NAIVE_DATETIME UTC_DATETIME "
    "BINARY XML STRING JSON NAIVE_TIME",
    "RecordType": "UPSERT UPDATE DELETE TRUNCATE",
}
# Each call takes the message NameRequest and gives NameResponse; Update gives a stream of them.
CALLS = ("ConfigurationForm", "Test", "Schema", "Update")
STREAMED = "Update"

DATA_TYPES = {name: number for number, name in enumerate(_ENUMERATIONS["DataType"].split())}
RECORD_TYPES = {name: number for number, name in enumerate(_ENUMERATIONS["RecordType"].split())}

_Field = descriptor_pb2.FieldDescriptorProto
_LABELS = {"?": _Field.LABEL_OPTIONAL, "*": _Field.LABEL_REPEATED}


def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(name="headwater/source.proto", package=PACKAGE, syntax="proto3")
    file.dependency.append(timestamp_pb2.DESCRIPTOR.name)
    for name, values in _ENUMERATIONS.items():
        enumeration = file.enum_type.add(name=name)
        for number, value in enumerate(values.split()):
            enumeration.value.add(name=value, number=number)
    for name, fields in _MESSAGES.items():
        _describe(file.message_type.add(name=name), fields)
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _describe(message: descriptor_pb2.DescriptorProto, fields: str) -> None:
    optional = []
    for line in fields.splitlines():
        if not line.strip():
            continue
        number, kind, name, *oneof = line.split()
        field = message.field.add(name=name, number=int(number), label=_LABELS.get(kind[-1], _Field.LABEL_OPTIONAL))
        if oneof:
            field.oneof_index = _oneof(message, oneof[0].removeprefix("|"))
        if ":" in kind:
            field.label = _Field.LABEL_REPEATED
            kind = _describe_map(message, name, kind)
        if kind.endswith("?"):
            optional.append(field)
        _set_type(field, kind.rstrip("?*"))
    # proto3 has an optional field alone in a oneof of its own, after all others.
    for field in optional:
        field.proto3_optional = True
        field.oneof_index = _oneof(message, f"_{field.name}")


def _oneof(message: descriptor_pb2.DescriptorProto, name: str) -> int:
    names = [each.name for each in message.oneof_decl]
    if name not in names:
        message.oneof_decl.add(name=name)
        return len(names)
    return names.index(name)


def _describe_map(message: descriptor_pb2.DescriptorProto, name: str, kind: str) -> str:
    """Describe the entry of a map, a message inside `message`; give its full name."""
    key, _, value = kind.partition(":")
    entry = message.nested_type.add(name="".join(part.capitalize() for part in f"{name}_entry".split("_")))
    entry.options.map_entry = True
    _set_type(entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL), key)
    _set_type(entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL), value)
    return f"{message.name}.{entry.name}"


def _set_type(field: descriptor_pb2.FieldDescriptorProto, kind: str) -> None:
    if kind == "Timestamp":
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{timestamp_pb2.Timestamp.DESCRIPTOR.full_name}"
    elif kind in _ENUMERATIONS:
        field.type, field.type_name = _Field.TYPE_ENUM, f".{PACKAGE}.{kind}"
    elif kind.partition(".")[0] in _MESSAGES:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    else:
        field.type = _Field.Type.Value(f"TYPE_{kind.upper()}")


_POOL = _pool()
_CLASSES = {
    name: message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in _MESSAGES
}


def message(name: str, /, **fields: Any) -> Any:
    """Make a message.

    >>> message("Checkpoint", state_json="{}").SerializeToString()
    b'\\n\\x02{}'
    """
    return _CLASSES[name](**fields)


def decoded(name: str, encoded: bytes) -> Any:
    """Read a message; what its fields do not know is kept, as protobuf does."""
    return _CLASSES[name].FromString(encoded)


def encoded(message: Any) -> bytes:
    return bytes(message.SerializeToString())
