# What `import fivetran_connector_sdk` means while headwater runs a connector, for type checkers.
from headwater import ByteStream as ByteStream
from headwater import ConfigurationForm as ConfigurationForm
from headwater import Connector as Connector
from headwater import FileUpload as FileUpload
from headwater import Logging as Logging
from headwater import Operations as Operations
from headwater import Test as Test
from headwater import form_field as form_field
