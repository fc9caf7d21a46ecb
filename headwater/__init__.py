"""headwater runs a connector.py into your own warehouse: rows and state commit together, exactly once.

    from headwater import Connector, Operations as op, Logging as log

The way of a row, one module a step:

    connector    the author's schema() and update()
    operations   op.upsert, update, delete, truncate, checkpoint
    stream       one order for the operations of all threads
    schema       which table and column a name means
    batch        typed Arrow data, one net effect per key
    load         the table grows where it must
    destinations rows in one open transaction
    state        committed with the rows

`sync` wires them. Importing this package loads neither DuckDB nor Arrow.
"""

from headwater.authoring import Connector
from headwater.configuration_form import ConfigurationForm, Test, form_field
from headwater.file_upload import ByteStream, FileUpload
from headwater.log import Logging
from headwater.operations import Operations

__all__ = [
    "ByteStream",
    "ConfigurationForm",
    "Connector",
    "FileUpload",
    "Logging",
    "Operations",
    "Test",
    "form_field",
]
__version__ = "0.1.0"
