"""What a type checker refuses: each line names its error, and mypy reports those that have none."""

from typing import Any

from headwater import ConfigurationForm, Connector, FileUpload, Test, form_field
from headwater import Logging as log
from headwater import Operations as op


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    op.upsert("orders")  # type: ignore[call-arg]  # a row is missing
    op.upsert("orders", {"id": 1}, "sales")  # type: ignore[call-arg]  # schema is keyword-only
    op.upsert(None, {"id": 1})  # type: ignore[arg-type]  # a table has a name
    op.upsert("orders", {"id": 1}, file="a.txt")  # type: ignore[arg-type]  # a path is no FileUpload
    op.update("orders", data={"id": 1})  # type: ignore[call-arg]  # it is called modified
    op.delete("orders", key={"id": 1})  # type: ignore[call-arg]  # it is called keys
    op.delete("orders", ["id"])  # type: ignore[arg-type]  # names without values
    op.truncate("orders", deferred=True)  # type: ignore[call-arg]  # only in 3.1 of Fivetran's SDK
    op.checkpoint([1])  # type: ignore[arg-type]  # a state is an object
    op.checkpoint()  # type: ignore[call-arg]  # a state is missing
    op.warning(ValueError("x"))  # type: ignore[arg-type]  # a message is text
    op.error("x", trace=ValueError("x"))  # type: ignore[arg-type]  # a trace is text
    op.insert("orders", {"id": 1})  # type: ignore[attr-defined]  # there is upsert
    log.info(1)  # type: ignore[arg-type]  # a message is text
    log.info("x", ValueError("x"))  # type: ignore[call-arg]  # error and critical take an exception
    FileUpload("a.txt", "text")  # type: ignore[arg-type]  # text has no read()
    FileUpload("a.txt", open("a.txt"))  # type: ignore[arg-type]  # noqa: SIM115, PTH123 - opened as text, not bytes
    form_field.DropdownField("region", "Region")  # type: ignore[call-arg]  # its choices are missing
    form_field.ToggleField("on", "On", "described")  # type: ignore[call-arg]  # description is keyword-only
    ConfigurationForm().add_field("name")  # type: ignore[arg-type]  # a name is no field
    ConfigurationForm().add_test("label", update)  # type: ignore[call-arg, arg-type]  # label and func are keyword-only
    Test.failure()  # type: ignore[call-arg]  # it says why


def connectors() -> None:
    Connector(schema=None)  # type: ignore[call-arg]  # update is missing
    Connector(update="update")  # type: ignore[arg-type]  # a name is no function
    Connector(update=update).debug(log_level="INFO")  # type: ignore[arg-type]  # a level is no text
